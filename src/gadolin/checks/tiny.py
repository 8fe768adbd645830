"""Pictures too small for what is to be seen in them."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.checks.words import flagged
from gadolin.records import Finding

__all__ = ["check"]

_SIDE = 128  # pixels


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the pictures of few pixels."""
    rows = [row for row, facts in enumerate(subject.facts[: subject.own]) if min(facts.width, facts.height) < _SIDE]
    template = Finding(
        kind="tiny",
        severity="warning",
        message=f"are tiny: one side has fewer than {_SIDE} pixels.",
        rule=f"The shorter side is below {_SIDE} pixels, half of what a slice is prepared to; the score is the number "
        "of slices.",
        remedy="Take the originals; enlarging brings no detail back, and size itself may tell the class.",
    )
    return flagged(subject, rows, template)
