"""How many slices each class has: too few, none in a part, uneven."""

from __future__ import annotations

from collections import Counter

from gadolin.checks.dataset import Dataset
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted
from gadolin.records import Finding

__all__ = ["balance", "too_few", "vanishing_class"]

_SCORED = 20  # slices below which no figure is given


def too_few(dataset: Dataset) -> list[Finding]:
    """Return what is too few: one slice or one class in all is serious, a class of few slices a warning."""
    counts = Counter(record.label for record in dataset.records)
    if dataset.n_records < 2 or len(counts) < 2:
        return [
            Finding(
                kind="too_few",
                severity="serious",
                message=f"The data set holds {counted(dataset.n_records, 'slice')} of "
                f"{counted(len(counts), 'class', 'classes')}: nothing can be learned from it, and nothing measured.",
                rule="A classifier needs two classes or more and several slices of each; the score is the number of "
                "slices.",
                remedy="Check that this is the right folder, with one folder for each class.",
                score=float(dataset.n_records),
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


def vanishing_class(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a serious finding for each part or fold that lacks a class."""
    if not dataset.parts and all(record.fold is None for record in dataset.records):
        return Skipped("no parts and no folds are named")
    found = []
    for kind, values in (
        ("part", [record.split for record in dataset.records]),
        ("fold", ["" if record.fold is None else str(record.fold) for record in dataset.records]),
    ):
        for value in sorted(set(values) - {""}):
            there = {record.label for record, own in zip(dataset.records, values, strict=True) if own == value}
            missing = [name for name in dataset.classes if name not in there]
            if missing:
                found.append(_finding(kind, value, missing))
    return found


def _finding(kind: str, value: str, missing: list[str]) -> Finding:
    where = f"the {value} part" if kind == "part" else f"fold {value}"
    return Finding(
        kind="vanishing_class",
        severity="serious",
        message=f"{where[0].upper()}{where[1:]} has no slice of {', '.join(missing)}.",
        rule="Every part and every fold must hold slices of every class; the score is the number of missing classes.",
        remedy="Make the split anew, stratified by class; where a class has too few patients, make fewer folds.",
        score=float(len(missing)),
    )


_UNEVEN = 1.5  # largest class over smallest
_VERY_UNEVEN = 3.0
_MANUFACTURED = 0.1  # difference of the share of copies of two classes


def balance(dataset: Dataset) -> list[Finding]:
    """Return how uneven the classes are, and whether copies fill some of them up more than others."""
    slices = Counter(record.label for record in dataset.records)
    numbers = dataset.copies.groups[: dataset.n_records].tolist()
    once = Counter(
        label for label, _ in {(one.label, group) for one, group in zip(dataset.records, numbers, strict=True)}
    )
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
