"""Folds for cross-validation: whole groups, every class in every fold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from gadolin.errors import DataError
from gadolin.records import Record
from gadolin.splits.groups import patient_and_copy_groups

__all__ = ["assign_folds", "check_folds"]


def assign_folds(records: Sequence[Record], count: int, *, seed: int) -> list[Record]:
    """Return the records with ``fold`` 0 to ``count`` - 1; no patient and no copy group is in two folds.

    Records with a fold keep it, and the rest of their group joins them. The other groups are assigned from the largest
    to the smallest, ties in an order fixed by ``seed``, each to the fold that most lacks its classes. Raises DataError
    where a group is already in two folds, a fold would be empty, or a class missing from one.
    """
    labels = sorted({record.label for record in records})
    column = {label: number for number, label in enumerate(labels)}
    groups = patient_and_copy_groups(records)
    there = np.zeros((count, len(labels)))
    folds: list[int | None] = [record.fold for record in records]
    waiting = []

    def assign(members: Sequence[int], fold: int) -> None:
        for row in members:
            folds[row] = fold
            there[fold, column[records[row].label]] += 1

    for members in groups:
        given = sorted({fold for row in members if (fold := folds[row]) is not None})
        _check_given(records, members, given, count)
        if given:
            assign(members, given[0])
        else:
            waiting.append(members)
    order = np.random.default_rng(seed).permutation(len(waiting))
    share = np.array([sum(record.label == label for record in records) for label in labels]) / count
    for number in sorted(order, key=lambda number: -len(waiting[number])):
        members = waiting[number]
        counts = np.bincount([column[records[row].label] for row in members], minlength=len(labels))
        lack = ((share - there) / np.maximum(share, 1) * counts).sum(axis=1)
        assign(members, int(lack.argmax()))
    used = len(set(folds))
    if used < count:
        raise DataError(
            code="too_few_groups",
            rule=f"each of {count} folds needs slices",
            got=f"the groups by patient and copy suffice for {used} only",
            remedy=f"use {used} folds or add slices of other patients",
        )
    assigned = [replace(record, fold=fold) for record, fold in zip(records, folds, strict=True)]
    check_folds(assigned)
    return assigned


def check_folds(records: Sequence[Record]) -> None:
    """Raise DataError unless there are at least two folds, each holds every class, and no group is in two."""
    folds = sorted({record.fold for record in records if record.fold is not None})
    unplaced = sum(record.fold is None for record in records)
    if len(folds) < 2 or unplaced:
        raise DataError(
            code="folds_incomplete",
            rule="cross-validation needs a fold for every slice and at least two folds",
            got=f"{unplaced} slices have none and {len(folds)} folds are defined",
            remedy="create them with gadolin split --folds",
        )
    counts = Counter((record.fold, record.label) for record in records)
    for label in sorted({record.label for record in records}):
        empty = [fold for fold in folds if not counts[fold, label]]
        if empty:
            raise DataError(
                code="too_few_groups",
                rule="every fold needs slices of every class",
                got=f"{label!r} has none in fold {empty[0]}: its slices form too few groups by patient and copy",
                remedy="use fewer folds or add slices of other patients",
            )
    for members in patient_and_copy_groups(records):
        _check_given(records, members, sorted({fold for row in members if (fold := records[row].fold) is not None}))


def _check_given(
    records: Sequence[Record], members: Sequence[int], given: Sequence[int], count: int | None = None
) -> None:
    if len(given) > 1:
        first, second = (next(row for row in members if records[row].fold == fold) for fold in given[:2])
        raise DataError(
            code="group_in_two_folds",
            rule="slices of one patient and copies of one slice must be in one fold",
            got=f"{records[first].name} is in {given[0]} and {records[second].name} in {given[1]}",
            remedy="empty the fold column so that folds are assigned automatically",
        )
    if count is not None and given and given[0] >= count:
        raise DataError(
            code="folds_out_of_range",
            rule=f"folds are numbered from 0 to {count - 1}",
            got=f"{records[members[0]].name} has {given[0]}",
            remedy="use more folds",
        )
