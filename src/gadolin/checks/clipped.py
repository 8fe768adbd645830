"""Pictures whose bright parts were cut off."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.checks.words import flagged
from gadolin.records import Finding

__all__ = ["check"]

_SHARE = 0.05  # of all pixels


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the pictures of which much is as bright as can be, blank and inverted ones aside."""
    rows = [
        row
        for row, facts in enumerate(subject.facts[: subject.own])
        if facts.white > _SHARE and not facts.inverted and facts.black + facts.white < 1
    ]
    template = Finding(
        kind="clipped",
        severity="warning",
        message="are clipped: what was brighter than white is lost in them.",
        rule=f"More than {100 * _SHARE:.0f} % of the pixels have the highest value; the score is the number of slices.",
        remedy="Look at them. Export them again with a wider window; a skull that is white all over is CT, which "
        "does not belong here.",
    )
    return flagged(subject, rows, template)
