"""What each part shares with the pictures that are learned from, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

from gadolin.audit.subject import Subject
from gadolin.splits import copied_from, join_copies

__all__ = ["EVERY_CLASS", "PartCount", "part_counts"]

EVERY_CLASS = ""


@dataclass(frozen=True, slots=True)
class PartCount:
    """The slices of one part and class, of every class where ``label`` is empty.

    In the test part ``copied``, ``patient_shared``, ``slice_new`` and ``patient_new`` sum to ``slices``; in the others
    all four are None.
    """

    part: str
    label: str
    slices: int
    copied: int | None = None
    patient_shared: int | None = None
    slice_new: int | None = None
    patient_new: int | None = None

    def as_json(self) -> dict[str, object]:
        """Return the counts as the documented JSON object (``docs/audit.md``)."""
        return {
            "part": self.part,
            "class": self.label or None,
            "slices": self.slices,
            "copied": self.copied,
            "patient_shared": self.patient_shared,
            "slice_new": self.slice_new,
            "patient_new": self.patient_new,
        }


def part_counts(subject: Subject) -> tuple[PartCount, ...]:
    """Return the counts of every named part, all classes first; those of the test part by what it shares."""
    plain = [replace(record, group="") for record in subject.carried]
    records = join_copies(plain, subject.copies.groups[: subject.own])
    counts: list[PartCount] = []
    for part in subject.parts:
        told = copied_from(records, part) if part == "test" else {}
        for label in (EVERY_CLASS, *subject.classes):
            own = [one for one in records if one.split == part and label in (EVERY_CLASS, one.label)]
            if part != "test":
                counts.append(PartCount(part, label, len(own)))
                continue
            kinds = Counter(told[one.key] for one in own)
            new = (kinds["copied"], kinds["patient-shared"], kinds["slice-new"], kinds["patient-new"])
            counts.append(PartCount(part, label, len(own), *new))
    return tuple(counts)
