"""A patient column that is half empty."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.checks.words import counted, percent
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a warning where the data set names the patients of some slices and not of others."""
    unknown = [row for row, record in enumerate(subject.mine) if not record.patient]
    if not 0 < len(unknown) < subject.own:
        return []
    return [
        Finding(
            kind="half_patients",
            severity="warning",
            message=f"The patient of {counted(len(unknown), 'slice')} of {subject.own:,} "
            f"({percent(len(unknown), subject.own)}) is not named, that of the others is.",
            rule="Some rows of the patient column are empty; the score is the share that is.",
            remedy="Complete the column, or split by copies and not by patient: slices without a patient may be of "
            "any patient, in training or not.",
            members=tuple(subject.named([row]) for row in unknown),
            score=len(unknown) / subject.own,
        )
    ]
