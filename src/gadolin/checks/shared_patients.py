"""The same patient on both sides of a split."""

from __future__ import annotations

from gadolin.checks.skipped import Skipped, no_sides
from gadolin.checks.subject import Subject
from gadolin.checks.words import by_class, counted, percent
from gadolin.records import Finding
from gadolin.splits import learned_before

__all__ = ["check"]


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return a serious finding for each part, and for the folds, that share patients; carried-over ones count."""
    why = no_sides(subject) or ("" if any(one.patient for one in subject.carried) else "no patient is known")
    if why:
        return Skipped(why)
    found = [_in_part(subject, part) for part in ("test", "validation")]
    return [one for one in [*found, _in_folds(subject)] if one is not None]


def _in_part(subject: Subject, part: str) -> Finding | None:
    learned = learned_before(part)
    here: dict[str, list[int]] = {}
    there: dict[str, list[int]] = {}
    for row, record in enumerate(subject.carried):
        if record.patient and record.split in (part, *learned):
            (here if record.split == part else there).setdefault(record.patient, []).append(row)
    shared = sorted(patient for patient in here if patient in there)
    if not shared:
        return None
    rows = [row for patient in shared for row in here[patient]]
    known = [row for own in here.values() for row in own]
    whole = sum(record.split == part for record in subject.mine)
    labels = by_class([subject.records[row].label for row in rows], [subject.records[row].label for row in known])
    carried = sum(not subject.records[row].patient for row in known)
    return Finding(
        kind="shared_patients",
        severity="serious",
        message=f"{percent(len(rows), len(known))} of the {part} slices whose patient is known ({len(rows):,} of "
        f"{len(known):,}) belong to {counted(len(shared), 'patient')} whose slices are learned from too, so accuracy "
        f"on them says nothing of new patients: {labels}.",
        rule="A patient has slices in this part and in one that is learned from. "
        + (
            f"The patients of {carried:,} slices were carried over from their copies in the other data set. "
            * bool(carried)
        )
        + f"The score is the share of the slices whose patient is known, {len(known):,} of {whole:,}.",
        remedy="Split anew by patient (gadolin split); a score across shared patients says nothing of new ones.",
        members=tuple(subject.named([*here[patient], *there[patient]]) for patient in shared),
        score=len(rows) / len(known),
    )


def _in_folds(subject: Subject) -> Finding | None:
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(subject.carried):
        if record.patient and record.fold is not None:
            rows.setdefault(record.patient, []).append(row)
    torn = [of for of in rows.values() if len({subject.records[row].fold for row in of}) > 1]
    if not torn:
        return None
    return Finding(
        kind="shared_patients",
        severity="serious",
        message=f"{counted(len(torn), 'patient')} of {len(rows):,} "
        f"{'has' if len(torn) == 1 else 'have'} slices in several folds.",
        rule="All slices of a patient stand in one fold; the score is the number of patients for whom they do not.",
        remedy="Make the folds anew by patient (gadolin split).",
        members=tuple(subject.named(of) for of in torn),
        score=float(len(torn)),
    )
