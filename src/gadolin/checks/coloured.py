"""Pictures in colour, which no MRI slice is."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.checks.words import flagged
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the pictures that show true colours: maps, marks, screenshots."""
    rows = [row for row, facts in enumerate(subject.facts[: subject.own]) if facts.colour]
    template = Finding(
        kind="coloured",
        severity="warning",
        message="show true colours, which no MRI slice has.",
        rule="In more than 2 % of the pixels two colour channels differ by more than 24 of 255; the score is the "
        "number of slices.",
        remedy="Look for colour maps, arrows and text that were burnt in, often where the tumour is; use the original.",
    )
    return flagged(subject, rows, template)
