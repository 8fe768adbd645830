"""A class that is missing from a part or a fold."""

from __future__ import annotations

from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return a serious finding for each part or fold that lacks a class."""
    if not subject.parts and all(record.fold is None for record in subject.mine):
        return Skipped("no parts and no folds are named")
    found = []
    for kind, values in (
        ("part", [record.split for record in subject.mine]),
        ("fold", ["" if record.fold is None else str(record.fold) for record in subject.mine]),
    ):
        for value in sorted(set(values) - {""}):
            there = {record.label for record, own in zip(subject.mine, values, strict=True) if own == value}
            missing = [name for name in subject.classes if name not in there]
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
