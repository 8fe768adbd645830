"""Patients with slices of two classes."""

from __future__ import annotations

from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return a warning with the patients whose slices bear two labels, carried-over patients included."""
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(subject.carried):
        if record.patient:
            rows.setdefault(record.patient, []).append(row)
    if not rows:
        return Skipped("no patient is known")
    torn = [of for of in rows.values() if len({subject.records[row].label for row in of}) > 1]
    if not torn:
        return []
    return [
        Finding(
            kind="patient_labels",
            severity="warning",
            message=f"{counted(len(torn), 'patient')} of {len(rows):,} "
            f"{'has' if len(torn) == 1 else 'have'} slices under two labels or more.",
            rule="Slices of one patient, named by the data set or carried over from copies whose patient is known, "
            "bear one label; the score is the number of patients.",
            remedy="Look at them: two diseases are rare, a wrong label or a patient number used twice is not. A slice "
            "without a lesion of a patient who has one is not a healthy brain.",
            members=tuple(subject.named(of) for of in torn),
            score=float(len(torn)),
        )
    ]
