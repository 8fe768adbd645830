"""Checks of class counts: too few slices, a class missing from a part, class imbalance."""

from __future__ import annotations

from collections import Counter

from gadolin.checks.dataset import Dataset
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted
from gadolin.datasets.labels import class_name
from gadolin.records import Finding

__all__ = ["balance", "too_few", "vanishing_class"]

_SCORED = 20  # slices; a smaller class is not scored


def too_few(dataset: Dataset) -> list[Finding]:
    """Return a serious finding for a data set of one slice or one class, a warning for small classes."""
    counts = Counter(record.label for record in dataset.records)
    if dataset.n_records < 2 or len(counts) < 2:
        return [
            Finding(
                kind="too_few",
                severity="serious",
                message=f"The data set holds {counted(dataset.n_records, 'slice')} of "
                f"{counted(len(counts), 'class', 'classes')}: it cannot be used for training or evaluation.",
                rule="A classifier needs at least two classes and several slices of each; the score is the number of "
                "slices.",
                remedy="Check that this is the right folder, with one subfolder for each class.",
                score=float(dataset.n_records),
            )
        ]
    small = {name: count for name, count in sorted(counts.items()) if count < _SCORED}
    if not small:
        return []
    counts_by_class = ", ".join(f"{class_name(name)} has {count}" for name, count in small.items())
    return [
        Finding(
            kind="too_few",
            severity="warning",
            message=f"Too few slices in {counted(len(small), 'class', 'classes')}: {counts_by_class}.",
            rule=f"Metrics on fewer than {_SCORED} slices are unreliable; the score is the smallest number of slices.",
            remedy="Add slices of other patients, or treat the metrics of these classes as anecdotal.",
            score=float(min(small.values())),
        )
    ]


def vanishing_class(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a serious finding for each part or fold without slices of a class."""
    if not dataset.parts and all(record.fold is None for record in dataset.records):
        return Skipped("no parts or folds are defined")
    found = []
    for kind, values in (
        ("part", [record.split for record in dataset.records]),
        ("fold", ["" if record.fold is None else str(record.fold) for record in dataset.records]),
    ):
        for value in sorted(set(values) - {""}):
            present = {record.label for record, given in zip(dataset.records, values, strict=True) if given == value}
            missing = [name for name in dataset.classes if name not in present]
            if missing:
                found.append(_finding(kind, value, missing))
    return found


def _finding(kind: str, value: str, missing: list[str]) -> Finding:
    where = f"the {value} part" if kind == "part" else f"fold {value}"
    return Finding(
        kind="vanishing_class",
        severity="serious",
        message=f"{where[0].upper()}{where[1:]} has no slice of {', '.join(map(class_name, missing))}.",
        rule="Every part and every fold must hold slices of every class; the score is the number of missing classes.",
        remedy="Split again, stratified by class; if a class has too few patients, use fewer folds.",
        score=float(len(missing)),
    )


_UNEVEN = 1.5  # largest class over smallest
_VERY_UNEVEN = 3.0
_MANUFACTURED = 0.1  # difference in the share of copies between two classes


def balance(dataset: Dataset) -> list[Finding]:
    """Return how uneven the classes are, and whether copies inflate some classes more than others."""
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
    counts_by_class = ", ".join(f"{class_name(name)} {count:,}" for name, count in slices.most_common())
    return [
        Finding(
            kind="balance",
            severity="warning" if ratio >= _VERY_UNEVEN else "note",
            message=f"The largest class has {ratio:.1f} times as many slices as the smallest: {counts_by_class}.",
            rule=f"Slices of the largest class over those of the smallest; reported from {_UNEVEN}, a warning from "
            f"{_VERY_UNEVEN:.0f}. The score is this ratio.",
            remedy="Report the metrics of each class, not only accuracy; weight the classes in training.",
            score=ratio,
        )
    ]


def _manufactured(slices: Counter[str], once: Counter[str]) -> list[Finding]:
    repeated = {name: 1 - once[name] / slices[name] for name in sorted(slices)}
    gap = max(repeated.values()) - min(repeated.values())
    if gap < _MANUFACTURED:
        return []
    counts_by_class = "; ".join(
        f"{class_name(name)} {slices[name]:,} slices, {once[name]:,} different" for name in repeated
    )
    return [
        Finding(
            kind="balance",
            severity="warning",
            message=f"Copies inflate some classes more than others: {counts_by_class}.",
            rule="Every group of copies counts once in each class; the score is the largest difference between "
            f"two classes' shares of repeated slices, reported from {_MANUFACTURED}.",
            remedy="Count different slices, not files, when you describe class balance; remove the copies before "
            "you weight classes.",
            score=gap,
        )
    ]
