"""The same slice on both sides of a split."""

from __future__ import annotations

from gadolin.checks.shared import torn_apart
from gadolin.checks.skipped import Skipped, no_sides
from gadolin.checks.subject import Subject
from gadolin.checks.words import by_class, counted, percent
from gadolin.records import Finding
from gadolin.splits import duplicates, learned_before

__all__ = ["check"]

_SERIOUS = 0.01  # of a part


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return a finding for each part that shares slices with what is learned from, and one for shared folds."""
    if why := no_sides(subject):
        return Skipped(why)
    found = [_in_part(subject, part) for part in ("test", "validation")]
    return [one for one in [*found, _in_folds(subject)] if one is not None]


def _in_part(subject: Subject, part: str) -> Finding | None:
    learned = learned_before(part)
    whole = [row for row, record in enumerate(subject.mine) if record.split == part]
    shared = duplicates(subject.mine, subject.copies, part)
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
        members=_together(subject, shared),
        score=share,
    )


def _together(subject: Subject, shared: dict[int, list[int]]) -> tuple[tuple[str, ...], ...]:
    """Return the names of what shows one slice: those of this part, then their copies in training."""
    groups = subject.copies.groups.tolist()
    here: dict[int, list[int]] = {}
    for row in shared:
        here.setdefault(groups[row], []).append(row)
    there = {group: sorted({other for row in rows for other in shared[row]}) for group, rows in here.items()}
    return tuple(subject.named([*rows, *there[group]]) for group, rows in here.items())


def _in_folds(subject: Subject) -> Finding | None:
    folds = {row: record.fold for row, record in enumerate(subject.mine) if record.fold is not None}
    torn = torn_apart(subject, folds)
    if not torn:
        return None
    count, whole = sum(map(len, torn)), len(folds)
    return Finding(
        kind="shared_slices",
        severity="serious" if count / whole >= _SERIOUS else "warning",
        message=f"{percent(count, whole)} of the slices in folds ({count:,} of {whole:,}) have a copy in another fold.",
        rule="Copies of one slice stand in different folds; the score is the share of the slices.",
        remedy="Make the folds anew by copies and patients (gadolin split).",
        members=tuple(subject.named(rows) for rows in torn),
        score=count / whole,
    )
