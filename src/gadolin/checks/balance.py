"""How evenly the classes are filled, and how much of that is made by copies."""

from __future__ import annotations

from collections import Counter

from gadolin.checks.subject import Subject
from gadolin.records import Finding

__all__ = ["check"]

_UNEVEN = 1.5  # largest class over smallest
_VERY_UNEVEN = 3.0
_MANUFACTURED = 0.1  # difference of the share of copies of two classes


def check(subject: Subject) -> list[Finding]:
    """Return how uneven the classes are, and whether copies fill some of them up more than others."""
    slices = Counter(record.label for record in subject.mine)
    numbers = subject.copies.groups[: subject.own].tolist()
    once = Counter(label for label, _ in {(one.label, group) for one, group in zip(subject.mine, numbers, strict=True)})
    return [*_uneven(slices), *_manufactured(slices, once)]


def _uneven(slices: Counter[str]) -> list[Finding]:
    ratio = max(slices.values()) / min(slices.values())
    if ratio < _UNEVEN:
        return []
    told = ", ".join(f"{name} {count:,}" for name, count in slices.most_common())
    return [
        Finding(
            kind="balance",
            severity="warning" if ratio >= _VERY_UNEVEN else "note",
            message=f"The largest class holds {ratio:.1f} times as many slices as the smallest: {told}.",
            rule=f"Slices of the largest class over those of the smallest; told from {_UNEVEN}, a warning from "
            f"{_VERY_UNEVEN:.0f}. The score is this ratio.",
            remedy="Read the figures of each class and not accuracy alone; weigh the classes in training.",
            score=ratio,
        )
    ]


def _manufactured(slices: Counter[str], once: Counter[str]) -> list[Finding]:
    repeated = {name: 1 - once[name] / slices[name] for name in sorted(slices)}
    gap = max(repeated.values()) - min(repeated.values())
    if gap < _MANUFACTURED:
        return []
    told = ", ".join(f"{name} {slices[name]:,} slices, {once[name]:,} different" for name in repeated)
    return [
        Finding(
            kind="balance",
            severity="warning",
            message=f"Copies fill some classes up more than others: {told}.",
            rule="Every group of copies is counted once in each class; the score is the largest difference between "
            f"two classes' shares of repeated slices, told from {_MANUFACTURED}.",
            remedy="Count different slices, not files, when you speak of balance; drop the copies before weighing "
            "classes.",
            score=gap,
        )
    ]
