"""One slice under two labels."""

from __future__ import annotations

from gadolin.audit.subject import Subject
from gadolin.audit.words import counted
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a serious finding for copies under two labels: within the data set, and against the other one."""
    return [*_within(subject), *_against(subject)]


def _within(subject: Subject) -> list[Finding]:
    torn = []
    for rows in subject.copy_groups:
        own = [row for row in rows if row < subject.own]
        if len({subject.records[row].label for row in own}) > 1:
            torn.append(own)
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
    others = {record.label for record in subject.records[subject.own :]}
    torn = []
    for rows in subject.copy_groups:
        there = [row for row in rows if row >= subject.own]
        labels = {subject.records[row].label for row in there}
        for row in rows:
            label = subject.records[row].label
            known = label in others or bool(labels & set(subject.classes))  # "tumor" does not contradict "glioma"
            if row < subject.own and labels and label not in labels and known:
                torn.append([row, *there])
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
