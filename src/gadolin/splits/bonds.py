"""What belongs together: slices of one patient, and copies of one slice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gadolin.copies.components import Components
from gadolin.records import Record

__all__ = ["grouping_keys", "join_copies", "kept_together"]


def join_copies(records: Sequence[Record], groups: NDArray[np.int64]) -> list[Record]:
    """Return the records with ``group`` naming their copy group, joined with any group that they already had.

    Joined groups bear the name that was there first; one that had none is named after its copies.
    """
    numbers = groups.tolist()
    names = {number: f"copy-{count:05d}" for count, number in enumerate(dict.fromkeys(numbers))}
    pairs = enumerate(zip(records, numbers, strict=True))
    joined = list(records)
    for members in _connected({index: [("group", one.group), ("copy", str(number))] for index, (one, number) in pairs}):
        name = next((records[index].group for index in members if records[index].group), names[numbers[members[0]]])
        for index in members:
            joined[index] = replace(records[index], group=name)
    return joined


def grouping_keys(records: Sequence[Record]) -> list[str]:
    """Return for each record the group that intervals resample by: all that share a patient or a copy group.

    A group is named after the patient, else the copy group, else the picture of its first record.
    """
    keys = [""] * len(records)
    for members in kept_together(records):
        first = records[members[0]]
        for index in members:
            keys[index] = first.patient or first.group or first.key or first.name
    return keys


def kept_together(records: Sequence[Record], rows: Sequence[int] | None = None) -> list[list[int]]:
    """Return sets of rows, of all or of ``rows``: those that share a patient or a copy group, also through others."""
    chosen = range(len(records)) if rows is None else rows
    return _connected({row: [("patient", records[row].patient), ("group", records[row].group)] for row in chosen})


def _connected(bonds: Mapping[int, Sequence[tuple[str, str]]]) -> list[list[int]]:
    """Return lists of indices: those that share a bond (kind, name), directly or through others; no name, no bond."""
    first: dict[tuple[str, str], int] = {}
    sets = Components(max(bonds, default=-1) + 1)
    for index, own in bonds.items():
        for kind, name in own:
            if name:
                sets.join(first.setdefault((kind, name), index), index)
    return sets.sets(bonds)
