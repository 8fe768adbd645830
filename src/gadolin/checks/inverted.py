"""Pictures in negative, or on a white page."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.checks.words import flagged
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the pictures whose background is bright."""
    rows = [row for row, facts in enumerate(subject.facts[: subject.own]) if facts.inverted]
    template = Finding(
        kind="inverted",
        severity="warning",
        message="have a bright background: they are negatives, or cut from a printed page.",
        rule="The outermost 4 % of the picture are brighter than 60 % of white and brighter than the rest, where MRI "
        "shows air, which is black; the score is the number of slices.",
        remedy="Look at them in a viewer too. Invert what is a negative there as well, and cut the pages; where a "
        "viewer shows a dark background, the file is read wrongly: keep it and report it.",
    )
    return flagged(subject, rows, template)
