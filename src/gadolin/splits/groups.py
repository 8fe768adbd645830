"""Groups that a split keeps together: slices of one patient, and copies of one slice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from gadolin.duplicates.components import Components
from gadolin.records import Record, slice_name

__all__ = ["grouping_keys", "join_copies", "patient_and_copy_groups", "stable_key"]

_DIGITS = 16  # of a digest in a name, enough to be unique


def join_copies(records: Sequence[Record], groups: NDArray[np.int64]) -> list[Record]:
    """Return the records with ``group`` set to the name of their copy group, joined with any group they already had.

    If several groups are joined, the name that sorts first is kept. Copies without a group are named after the digest
    of one of them (its path, if it has none), so that the name of a group is unique and does not depend on the order of
    the records or on other records.
    """
    bonds = {
        index: [("group", one.group), ("copy", str(number))]
        for index, (one, number) in enumerate(zip(records, groups.tolist(), strict=True))
    }
    taken = {one.group for one in records}
    joined = list(records)
    for members in _connected(bonds):
        given = min((name for index in members if (name := records[index].group)), default="")
        name = given or _new_name(min((records[index] for index in members), key=stable_key), taken)
        taken.add(name)
        for index in members:
            joined[index] = replace(records[index], group=name)
    return joined


def stable_key(record: Record) -> tuple[str, str]:
    """Return a sort key of a record that does not depend on the order of the rows."""
    return record.key, record.name


def _new_name(first: Record, taken: Collection[str]) -> str:
    """Return an unused name for a copy group; a number is added only where two slices have one digest."""
    name = f"copy-{slice_name(first.digest[:_DIGITS], first.frame) if first.digest else first.name}"
    return next(one for number in count() if (one := f"{name}-{number}" if number else name) not in taken)


def grouping_keys(records: Sequence[Record]) -> list[str]:
    """Return for each record the group that intervals resample: all records connected by a patient or a copy group.

    A group is named after the patient, else the copy group, else the picture of its first record.
    """
    keys = [""] * len(records)
    for members in patient_and_copy_groups(records):
        first = records[members[0]]
        for index in members:
            keys[index] = first.patient or first.group or first.key or first.name
    return keys


def patient_and_copy_groups(records: Sequence[Record], rows: Sequence[int] | None = None) -> list[list[int]]:
    """Return sets of rows (all, or ``rows``) that share a patient or a copy group, also through others.

    The order of the sets does not depend on the order of the rows.
    """
    chosen = range(len(records)) if rows is None else rows
    sets = _connected({row: [("patient", records[row].patient), ("group", records[row].group)] for row in chosen})
    return sorted(sets, key=lambda members: min(stable_key(records[row]) for row in members))


def _connected(bonds: Mapping[int, Sequence[tuple[str, str]]]) -> list[list[int]]:
    """Return lists of indices that share a bond (kind, name), also through others; an empty name is no bond."""
    first: dict[tuple[str, str], int] = {}
    sets = Components(max(bonds, default=-1) + 1)
    for index, bonds_of_index in bonds.items():
        for kind, name in bonds_of_index:
            if name:
                sets.join(first.setdefault((kind, name), index), index)
    return sets.sets(bonds)
