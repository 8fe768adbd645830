"""Patients carried over from a data set that names them to one that shows the same slices and does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from gadolin.copies import Copies
from gadolin.errors import DataError
from gadolin.records import Record

__all__ = ["carry_patients"]


def carry_patients(records: Sequence[Record], known: Sequence[Record], copies: Copies) -> list[Record]:
    """Return ``records`` with the patients of the slices of ``known`` that they are copies of.

    A record takes over a patient where its copies among ``known`` name one patient and no other; a patient of its
    own is kept. ``copies`` were found among ``records`` and then ``known``, numbered through; raises DataError where
    they are of another number of slices.
    """
    count = len(records)
    if len(copies.groups) != count + len(known):
        msg = (
            f"patients are carried over copies among all {count + len(known):,} slices, got those of "
            f"{len(copies.groups):,}; look for copies in both data sets at once"
        )
        raise DataError(msg)
    told: dict[int, set[str]] = defaultdict(set)
    for number, one in zip(copies.groups[count:].tolist(), known, strict=True):
        if one.patient:
            told[number].add(one.patient)
    return [
        replace(record, patient=next(iter(told[number])))
        if not record.patient and len(told.get(number, ())) == 1
        else record
        for number, record in zip(copies.groups[:count].tolist(), records, strict=True)
    ]
