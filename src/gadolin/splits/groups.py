"""What belongs together: slices of one patient, and copies of one slice."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import count

import numpy as np
from numpy.typing import NDArray

from gadolin.duplicates.components import Components
from gadolin.records import Record, slice_name

__all__ = ["grouping_keys", "join_copies", "patient_and_copy_groups", "stable_key"]

_DIGITS = 16  # of a digest in a name: no two slices share them


def join_copies(records: Sequence[Record], groups: NDArray[np.int64]) -> list[Record]:
    """Return the records with ``group`` naming their copy group, joined with any group that they already had.

    Of several groups that are joined the name that sorts first is kept. Copies without a group are named after the
    digest of one of them (its path, where it has none), so that the same copies bear the same name in whatever order
    and company they come, and others never do.
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
    """Return what records are sorted by, so that nothing depends on the order of the rows."""
    return record.key, record.name


def _new_name(first: Record, taken: Collection[str]) -> str:
    """Return a name for copies that nothing else bears; a number is added only where two slices have one digest."""
    name = f"copy-{slice_name(first.digest[:_DIGITS], first.frame) if first.digest else first.name}"
    return next(one for number in count() if (one := f"{name}-{number}" if number else name) not in taken)


def grouping_keys(records: Sequence[Record]) -> list[str]:
    """Return for each record the group that intervals resample by: all that share a patient or a copy group.

    A group is named after the patient, else the copy group, else the picture of its first record.
    """
    keys = [""] * len(records)
    for members in patient_and_copy_groups(records):
        first = records[members[0]]
        for index in members:
            keys[index] = first.patient or first.group or first.key or first.name
    return keys


def patient_and_copy_groups(records: Sequence[Record], rows: Sequence[int] | None = None) -> list[list[int]]:
    """Return sets of rows, of all or of ``rows``: those that share a patient or a copy group, also through others.

    The sets come in an order that is the same however the rows are ordered.
    """
    chosen = range(len(records)) if rows is None else rows
    sets = _connected({row: [("patient", records[row].patient), ("group", records[row].group)] for row in chosen})
    return sorted(sets, key=lambda members: min(stable_key(records[row]) for row in members))


def _connected(bonds: Mapping[int, Sequence[tuple[str, str]]]) -> list[list[int]]:
    """Return lists of indices: those that share a bond (kind, name), directly or through others; no name, no bond."""
    first: dict[tuple[str, str], int] = {}
    sets = Components(max(bonds, default=-1) + 1)
    for index, own in bonds.items():
        for kind, name in own:
            if name:
                sets.join(first.setdefault((kind, name), index), index)
    return sets.sets(bonds)
