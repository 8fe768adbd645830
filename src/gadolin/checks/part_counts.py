"""Number of slices of each part and class, and what test slices share with training data."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gadolin.checks.dataset import Dataset
from gadolin.splits import SUBSETS, overlap

__all__ = ["EVERY_CLASS", "PartCount", "part_counts"]

EVERY_CLASS = ""


@dataclass(frozen=True, slots=True)
class PartCount:
    """The number of slices of one part and class, of all classes where ``label`` is empty.

    In the test split the four counts of ``gadolin.splits.SUBSETS`` sum to ``slices``; in the others all four are None.
    """

    part: str
    label: str
    slices: int
    duplicate: int | None = None
    known_patient: int | None = None
    new_slice: int | None = None
    new_patient: int | None = None

    def as_json(self) -> dict[str, object]:
        """Return the counts as the documented JSON object (``docs/reference/json.md``)."""
        return {
            "part": self.part,
            "class": self.label or None,
            "slices": self.slices,
            "duplicate": self.duplicate,
            "known_patient": self.known_patient,
            "new_slice": self.new_slice,
            "new_patient": self.new_patient,
        }


def part_counts(dataset: Dataset) -> tuple[PartCount, ...]:
    """Return the counts of every part, all classes first; those of the test part also by subset."""
    subsets = overlap(dataset.records_with_patients, dataset.copies).subsets
    counts: list[PartCount] = []
    for part in dataset.parts:
        for label in (EVERY_CLASS, *dataset.classes):
            rows = [row for row, one in enumerate(dataset.records) if one.split == part and label in ("", one.label)]
            if part != "test":
                counts.append(PartCount(part, label, len(rows)))
                continue
            shared = Counter(subsets[row] for row in rows)
            counts.append(PartCount(part, label, len(rows), *(shared[name] for name in SUBSETS)))
    return tuple(counts)
