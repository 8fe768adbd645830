"""Patients carried over from a data set that names them to one that shows the same slices and does not."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from gadolin.duplicates import Copies
from gadolin.errors import DataError
from gadolin.records import Record

__all__ = ["transfer_patients"]


def transfer_patients(records: Sequence[Record], known: Sequence[Record], copies: Copies) -> list[Record]:
    """Return ``records`` with the patients of the slices of ``known`` that they are copies of.

    A record takes over a patient where its copies among ``known`` name one patient and no other; a patient of its
    own is kept. Where both data sets name patients and no slice bears one name in both, equal names are chance: those
    of ``known`` that ``records`` has too are carried with their source before them. ``copies`` were found among
    ``records`` and then ``known``, numbered through; raises DataError where they are of another number of slices.
    """
    count = len(records)
    if len(copies.groups) != count + len(known):
        raise DataError(
            code="copies_incomplete",
            rule=f"patients are carried over copies among all {count + len(known):,} slices",
            got=f"got those of {len(copies.groups):,}",
            remedy="look for copies in both data sets at once",
        )
    told: dict[int, dict[str, str]] = defaultdict(dict)  # of each group of copies the patients and their sources
    for number, one in zip(copies.groups[count:].tolist(), known, strict=True):
        if one.patient:
            told[number].setdefault(one.patient, one.source)
    numbers = copies.groups[:count].tolist()
    own = {record.patient for record in records if record.patient}
    if any(record.patient in told.get(number, ()) for number, record in zip(numbers, records, strict=True)):
        own = set()  # both data sets name the same people
    carried = []
    for number, record in zip(numbers, records, strict=True):
        names = told.get(number, {})
        if not record.patient and len(names) == 1:
            ((name, source),) = names.items()
            record = replace(record, patient=f"{source or 'other'}:{name}" if name in own else name)
        carried.append(record)
    return carried
