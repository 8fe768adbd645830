"""One slice under two labels."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.duplicates.components import Components
from gadolin.records import Finding
from gadolin.splits import conflicts_against, conflicts_within

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a serious finding for copies under two labels: within the data set, and against the other one."""
    return [*_within(subject), *_against(subject)]


def _within(subject: Subject) -> list[Finding]:
    found = conflicts_within(subject.records, subject.own, subject.copies)
    sets = Components(subject.own)
    for row, copies in found.items():
        for copy in copies:
            sets.join(row, copy)
    torn = sets.sets(found)
    if not torn:
        return []
    return [
        Finding(
            kind="label_conflicts",
            severity="serious",
            message=f"{counted(len(torn), 'slice')} {'stands' if len(torn) == 1 else 'stand'} under two labels or "
            "more, in copies of one another.",
            rule="Copies of one slice, mirrored or not, bear one label; the score is the number of groups of copies "
            "that bear several.",
            remedy="Ask a reader which label is right, or leave the whole group out: at least one is wrong.",
            members=tuple(subject.named(rows) for rows in torn),
            score=float(len(torn)),
        )
    ]


def _against(subject: Subject) -> list[Finding]:
    found = conflicts_against(subject.records, subject.own, subject.copies)
    torn = [[row, *copies] for row, copies in found.items()]
    if not torn:
        return []
    first = torn[0]
    said = f"{subject.names[first[0]]} is {subject.records[first[0]].label} here"
    return [
        Finding(
            kind="label_conflicts",
            severity="serious",
            message=f"{counted(len(torn), 'label')} {'is' if len(torn) == 1 else 'are'} contradicted by the other data "
            f"set, which shows the same slices: {said} and {subject.records[first[1]].label} there.",
            rule="Copies of one slice in two data sets bear one label, where both know it; the score is the number of "
            "slices whose label is contradicted.",
            remedy="Believe the data set that is nearer to the patients; correct these labels or leave the slices out.",
            members=tuple(subject.named(rows) for rows in torn),
            score=float(len(torn)),
        )
    ]
