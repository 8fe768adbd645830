"""The same slice on both sides of a split."""

from __future__ import annotations

from gadolin.audit.subject import Subject
from gadolin.audit.words import by_class, counted, percent
from gadolin.records import Finding

__all__ = ["check"]

_SERIOUS = 0.01  # of a part


def check(subject: Subject) -> list[Finding]:
    """Return a finding for each part that shares slices with what is learned from, and one for shared folds."""
    found = [_in_part(subject, part) for part in ("test", "validation")]
    return [one for one in [*found, _in_folds(subject)] if one is not None]


def _in_part(subject: Subject, part: str) -> Finding | None:
    learned = ("train", "validation") if part == "test" else ("train",)
    whole = [row for row, record in enumerate(subject.mine) if record.split == part]
    shared, members = [], []
    for rows in subject.copy_groups:
        here = [row for row in rows if row < subject.own and subject.records[row].split == part]
        there = [row for row in rows if row < subject.own and subject.records[row].split in learned]
        if here and there:
            shared += here
            members.append(subject.named([*here, *there]))
    if not shared:
        return None
    share = len(shared) / len(whole)
    labels = by_class([subject.records[row].label for row in shared], [subject.records[row].label for row in whole])
    source = "training part" if part == "test" and "validation" not in subject.parts else " or ".join(learned) + " part"
    return Finding(
        kind="shared_slices",
        severity="serious" if share >= _SERIOUS else "warning",
        message=f"{percent(len(shared), len(whole))} of the {part} part ({len(shared):,} of "
        f"{counted(len(whole), 'slice')}) is in the {source} too, so "
        f"{'accuracy on it means little' if share >= _SERIOUS else 'these slices flatter its accuracy'}: {labels}.",
        rule="A slice of this part is a copy of one that is learned from, identical, mirrored, turned, rescaled or "
        "saved again; the score is the share of the part.",
        remedy="Split anew by copies and patients (gadolin split), or report the slices that are new apart from these.",
        members=tuple(members),
        score=share,
    )


def _in_folds(subject: Subject) -> Finding | None:
    torn = []
    for rows in subject.copy_groups:
        own = [row for row in rows if row < subject.own and subject.records[row].fold is not None]
        if len({subject.records[row].fold for row in own}) > 1:
            torn.append(own)
    if not torn:
        return None
    count, whole = sum(map(len, torn)), sum(record.fold is not None for record in subject.mine)
    return Finding(
        kind="shared_slices",
        severity="serious" if count / whole >= _SERIOUS else "warning",
        message=f"{percent(count, whole)} of the slices in folds ({count:,} of {whole:,}) have a copy in another fold.",
        rule="Copies of one slice stand in different folds; the score is the share of the slices.",
        remedy="Make the folds anew by copies and patients (gadolin split).",
        members=tuple(subject.named(rows) for rows in torn),
        score=count / whole,
    )
