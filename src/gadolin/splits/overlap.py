"""Overlap of a part with the data used in training, including the definition of a duplicate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from gadolin.duplicates import Copies
from gadolin.records import Record

__all__ = ["SUBSETS", "Overlap", "duplicates", "learned_before", "overlap", "part_name"]

SUBSETS = ("duplicate", "known_patient", "new_slice", "new_patient")
"""Duplicates of slices used in training; new slices of patients used in training, of unknown and of new patients."""


@dataclass(frozen=True, slots=True)
class Overlap:
    """The subset, one of ``SUBSETS``, of each row of a part, and how its duplicates were found.

    ``found_by`` is "pixels" where copies were verified pair by pair, "groups" where the copy groups of a manifest were
    used because there were no pixels to compare.
    """

    subsets: dict[int, str]
    found_by: str

    def by_key(self, records: Sequence[Record]) -> dict[str, str]:
        """Return the subset of each slice of the part by its key."""
        return {records[row].key: subset for row, subset in self.subsets.items()}


def learned_before(part: str) -> tuple[str, ...]:
    """Return the parts that a model uses in training before it is measured on ``part``."""
    return {"test": ("train", "validation"), "validation": ("train",)}.get(part, ())


def part_name(name: str) -> str:
    """Return the display name of a subset: "known patient" for "known_patient"; other names are unchanged."""
    return name.replace("_", " ") if name in SUBSETS else name


def overlap(records: Sequence[Record], copies: Copies | None = None, *, part: str = "test") -> Overlap:
    """Return the subset of each row of ``part``.

    "duplicate": the slice is also used in training (see ``duplicates``); "known_patient": only other slices of its
    patient are; "new_slice": it is not, and its patient is unknown; "new_patient": neither it nor its patient is.
    """
    twice = duplicates(records, copies, part)
    learned = {one.patient for one in records if one.split in learned_before(part)}
    subsets = {}
    for row, record in enumerate(records):
        if record.split != part:
            continue
        if row in twice:
            subsets[row] = "duplicate"
        elif not record.patient:
            subsets[row] = "new_slice"
        else:
            subsets[row] = "known_patient" if record.patient in learned else "new_patient"
    return Overlap(subsets, "groups" if copies is None else "pixels")


def duplicates(records: Sequence[Record], copies: Copies | None = None, part: str = "test") -> dict[int, list[int]]:
    """Return, for each row of ``part`` that is a duplicate, the training rows that it duplicates, in order.

    Two slices are duplicates if they are the same slice of the same file (``Record.key``) or verified copies
    (``Copies.of``); the ends of a chain of copies are not. ``copies`` numbers the ``records`` and may number more after
    them; without it, slices of one ``Record.group`` count as copies.
    """
    earlier = learned_before(part)
    here = [row for row, one in enumerate(records) if one.split == part]
    there = [row for row, one in enumerate(records) if one.split in earlier]
    found = copies.among(here, set(there)) if copies is not None else _alike(records, here, there, "group")
    for row, same in _alike(records, here, there, "key").items():
        found[row] = sorted({*found.get(row, ()), *same})
    return found


def _alike(records: Sequence[Record], here: list[int], there: list[int], field: str) -> dict[int, list[int]]:
    """Return, for each row of ``here`` with a key or group, the rows of ``there`` with the same one, if any."""
    rows: dict[str, list[int]] = defaultdict(list)
    for row in there:
        rows[getattr(records[row], field)].append(row)
    names = {row: getattr(records[row], field) for row in here}
    return {row: rows[name] for row, name in names.items() if name and name in rows}
