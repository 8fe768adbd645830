"""Too little to learn from or to measure with."""

from __future__ import annotations

from collections import Counter

from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.records import Finding

__all__ = ["check"]

_SCORED = 20  # slices below which no figure is given


def check(subject: Subject) -> list[Finding]:
    """Return what is too few: one slice or one class in all is serious, a class of few slices a warning."""
    counts = Counter(record.label for record in subject.mine)
    if subject.own < 2 or len(counts) < 2:
        return [
            Finding(
                kind="too_few",
                severity="serious",
                message=f"The data set holds {counted(subject.own, 'slice')} of "
                f"{counted(len(counts), 'class', 'classes')}: nothing can be learned from it, and nothing measured.",
                rule="A classifier needs two classes or more and several slices of each; the score is the number of "
                "slices.",
                remedy="Check that this is the right folder, with one folder for each class.",
                score=float(subject.own),
            )
        ]
    small = {name: count for name, count in sorted(counts.items()) if count < _SCORED}
    if not small:
        return []
    told = ", ".join(f"{name} has {count}" for name, count in small.items())
    return [
        Finding(
            kind="too_few",
            severity="warning",
            message=f"There are too few slices of {counted(len(small), 'class', 'classes')}: {told}.",
            rule=f"Figures on fewer than {_SCORED} slices say next to nothing; the score is the smallest number.",
            remedy="Add slices of other patients, or read the figures of these classes as anecdotes.",
            score=float(min(small.values())),
        )
    ]
