"""What a part shares with the pictures that were learned from."""

from __future__ import annotations

from collections.abc import Sequence

from gadolin.records import Record

__all__ = ["copied_from"]


def copied_from(records: Sequence[Record], part: str = "test") -> dict[str, str]:
    """Tell for each picture of ``part``, by its key, what it shares with the pictures that were learned from.

    "copied": its slice is there too, also mirrored, turned or rescaled; "patient-shared": the slice is new, its
    patient is there; "slice-new": the slice is new, its patient is unknown; "patient-new": both are new.
    """
    learned = [record for record in records if record.split in ("train", "validation")]
    groups = {record.group for record in learned if record.group}
    patients = {record.patient for record in learned if record.patient}
    told = {}
    for record in records:
        if record.split != part:
            continue
        if record.group in groups:
            told[record.key] = "copied"
        else:
            shared = "patient-shared" if record.patient in patients else "patient-new"
            told[record.key] = shared if record.patient else "slice-new"
    return told
