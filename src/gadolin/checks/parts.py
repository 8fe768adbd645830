"""What each part shares with the pictures that are learned from, in numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from gadolin.checks.shared import copies_in_training, learned_before
from gadolin.checks.subject import Subject

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
    told = _kinds(subject)
    counts: list[PartCount] = []
    for part in subject.parts:
        for label in (EVERY_CLASS, *subject.classes):
            own = [row for row, one in enumerate(subject.mine) if one.split == part and label in ("", one.label)]
            if part != "test":
                counts.append(PartCount(part, label, len(own)))
                continue
            kinds = Counter(told[row] for row in own)
            new = (kinds["copied"], kinds["patient-shared"], kinds["slice-new"], kinds["patient-new"])
            counts.append(PartCount(part, label, len(own), *new))
    return tuple(counts)


def _kinds(subject: Subject) -> dict[int, str]:
    """Return what each slice of the test part shares, in the words of evaluation."""
    copied = copies_in_training(subject, "test")
    learned = {record.patient for record in subject.carried if record.split in learned_before("test")} - {""}
    return {
        row: "copied"
        if row in copied
        else ("patient-shared" if record.patient in learned else "patient-new" if record.patient else "slice-new")
        for row, record in enumerate(subject.carried)
        if record.split == "test"
    }
