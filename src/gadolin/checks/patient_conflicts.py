"""One slice under two patients."""

from __future__ import annotations

from collections import defaultdict

from gadolin.checks.shared import torn_apart
from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return a warning for copies under two patients: within the data set, and against the other one."""
    if not any(record.patient for record in subject.mine):
        return Skipped("no patient is known")
    return [*_within(subject), *_against(subject)]


def _within(subject: Subject) -> list[Finding]:
    torn = torn_apart(subject, {row: record.patient for row, record in enumerate(subject.mine) if record.patient})
    if not torn:
        return []
    return [
        Finding(
            kind="patient_conflicts",
            severity="warning",
            message=f"{counted(len(torn), 'slice')} {'stands' if len(torn) == 1 else 'stand'} under two patients or "
            "more, in copies of one another.",
            rule="Copies of one slice are of one patient; the score is the number of groups of copies that name "
            "several.",
            remedy="Find out whether one patient bears two numbers or a slice was filed wrongly; a split by patient "
            "keeps all patients of such a group together.",
            members=tuple(subject.named(rows) for rows in torn),
            score=float(len(torn)),
        )
    ]


def _against(subject: Subject) -> list[Finding]:
    """Compare patients with those of the other data set, which may only call them otherwise, each by one name."""
    pairs = []
    for rows in subject.copy_groups:
        known = [row for row in rows if subject.records[row].patient]
        there = [row for row in known if row >= subject.own]
        pairs += [(row, other) for row in known if row < subject.own for other in there]
    named = [(subject.records[row].patient, subject.records[other].patient) for row, other in pairs]
    theirs, ours = defaultdict(set), defaultdict(set)
    for own, other in named:
        theirs[own].add(other)
        ours[other].add(own)
    one_language = bool({own for own, _ in named} & {record.patient for record in subject.records[subject.own :]})
    torn = [
        pair
        for pair, (own, other) in zip(pairs, named, strict=True)
        if own != other and (one_language or len(theirs[own]) > 1 or len(ours[other]) > 1)
    ]
    if not torn:
        return []
    slices = {row for row, _ in torn}
    return [
        Finding(
            kind="patient_conflicts",
            severity="warning",
            message=f"{counted(len(slices), 'slice')} {'is' if len(slices) == 1 else 'are'} of another patient in the "
            "other data set.",
            rule="Copies of one slice in two data sets are of one patient. Data sets may call a patient by different "
            "names: told where they have names in common, or where a patient of one is several in the other. The "
            "score is the number of slices.",
            remedy="Believe the data set that is nearer to the patients, and correct the column.",
            members=tuple(subject.named(pair) for pair in torn),
            score=float(len(slices)),
        )
    ]
