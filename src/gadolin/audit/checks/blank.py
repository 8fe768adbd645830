"""Pictures that show nothing."""

from __future__ import annotations

from gadolin.audit.subject import Subject
from gadolin.audit.words import flagged
from gadolin.records import Finding

__all__ = ["check"]

_PLAIN = 0.02


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the pictures of almost one tone."""
    rows = [row for row, facts in enumerate(subject.facts[: subject.own]) if facts.deviation < _PLAIN]
    template = Finding(
        kind="blank",
        severity="warning",
        message="show nothing: they are of almost one tone.",
        rule=f"The standard deviation of the intensities is below {100 * _PLAIN:.0f} % of their range; the score is "
        "the number of slices.",
        remedy="Remove them: they carry a label and no anatomy.",
    )
    return flagged(subject, rows, template)
