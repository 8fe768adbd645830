"""Hold out a share of the training data, by whole groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from gadolin.errors import DataError
from gadolin.records import Record
from gadolin.splits.groups import patient_and_copy_groups

__all__ = ["hold_out"]


def hold_out(
    records: Sequence[Record], fraction: float, *, part: str, seed: int, keep: Collection[int] = ()
) -> list[Record]:
    """Move about ``fraction`` of the train records of each class to ``part``, without shared patients or groups.

    Whole groups move, in an order fixed by ``seed``; a class whose groups are all too large for its share gives its
    smallest one. Records of other parts stay, and so do the rows ``keep`` with their groups. Raises DataError where a
    class would have no slices on one side.
    """
    train = [index for index, record in enumerate(records) if record.split in ("", "train")]
    groups = [group for group in patient_and_copy_groups(records, train) if not any(row in keep for row in group)]
    there = Counter(records[index].label for group in groups for index in group)
    quota = {label: fraction * count for label, count in there.items()}
    order = np.random.default_rng(seed).permutation(len(groups))
    moved: set[int] = set()
    taken: Counter[str] = Counter()
    for number in order:
        members = groups[number]
        classes = Counter(records[index].label for index in members)
        if all(taken[label] + count / 2 <= quota[label] for label, count in classes.items()):
            moved.update(members)
            taken.update(classes)
    for label in quota:
        if not taken[label]:
            smallest = min((g for g in groups if any(records[i].label == label for i in g)), key=len)
            moved.update(smallest)
            taken.update(records[index].label for index in smallest)
    for label, count in there.items():
        if taken[label] == count:
            raise DataError(
                code="too_few_groups",
                rule="a split needs at least two groups of each class",
                got=f"{label!r} cannot be divided by patient and copy",
                remedy="add slices of other patients or set the parts in a manifest",
            )
    return [
        replace(record, split=part if index in moved else "train") if record.split in ("", "train") else record
        for index, record in enumerate(records)
    ]
