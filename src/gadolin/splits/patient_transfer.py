"""Transfer of patients between data sets that hold the same slices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from gadolin.duplicates import Copies
from gadolin.errors import DataError
from gadolin.records import Record

__all__ = ["transfer_patients"]


def transfer_patients(records: Sequence[Record], known: Sequence[Record], copies: Copies) -> list[Record]:
    """Return ``records`` with the patients of their copies among ``known``.

    A record gets a patient if its copies among ``known`` have exactly one; an existing patient is kept. If both data
    sets have patients but no slice has the same one in both, equal names are a coincidence: names of ``known`` that
    also occur in ``records`` get their source as a prefix. ``copies`` covers ``records`` and then ``known``, numbered
    consecutively; raises DataError where it covers another number of slices.
    """
    count = len(records)
    if len(copies.groups) != count + len(known):
        raise DataError(
            code="copies_incomplete",
            rule=f"transferring patients needs the copies among all {count + len(known):,} slices",
            got=f"got those of {len(copies.groups):,}",
            remedy="find the copies in both data sets together",
        )
    patients: dict[int, dict[str, str]] = defaultdict(dict)  # patients and their sources, by copy group
    for number, one in zip(copies.groups[count:].tolist(), known, strict=True):
        if one.patient:
            patients[number].setdefault(one.patient, one.source)
    numbers = copies.groups[:count].tolist()
    taken = {record.patient for record in records if record.patient}
    if any(record.patient in patients.get(number, ()) for number, record in zip(numbers, records, strict=True)):
        taken = set()  # both data sets use the same names
    carried = []
    for number, record in zip(numbers, records, strict=True):
        names = patients.get(number, {})
        if not record.patient and len(names) == 1:
            ((name, source),) = names.items()
            record = replace(record, patient=f"{source or 'other'}:{name}" if name in taken else name)
        carried.append(record)
    return carried
