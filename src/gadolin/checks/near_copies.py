"""Pictures that show one slice, however they were mirrored, turned, rescaled, cut or saved again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gadolin.checks.overlaid import WAYS, ways
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted, percent
from gadolin.duplicates import COPY_CORRELATION
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the groups of copies within the data set, and how the copies were changed."""
    inside = [_once(subject, [row for row in rows if row < subject.own]) for rows in subject.copy_groups]
    groups = [rows for rows in inside if len(rows) > 1]
    if not groups:
        return []
    extra = sum(len(rows) - 1 for rows in groups)
    return [
        Finding(
            kind="near_copies",
            severity="warning",
            message=f"{extra:,} of {counted(subject.own, 'slice')} ({percent(extra, subject.own)}) only repeat another "
            f"slice, in {counted(len(groups), 'group')}{_of_one_patient(subject, groups)}{_how(subject)}.",
            rule="Any two slices of a group can be laid over each other, also mirrored, turned or rescaled, so that "
            f"their fine structure correlates above {COPY_CORRELATION}; the score is the number of needless slices.",
            remedy="Keep each group on one side of every split, and count it once when you count slices.",
            members=tuple(subject.named(rows) for rows in groups),
            score=float(extra),
        )
    ]


def _once(subject: Subject, rows: Sequence[int]) -> tuple[int, ...]:
    """Return the rows without those that name a slice again, as repeated rows of a manifest do."""
    return tuple({subject.names[row]: row for row in reversed(rows)}.values())[::-1]


def _of_one_patient(subject: Subject, groups: Sequence[Sequence[int]]) -> str:
    """Return how many groups hold different pictures of one known patient that lie alike, as neighbouring slices do."""
    changed = {row for pair in subject.copies.pairs if ways(pair.overlay) for row in (pair.first, pair.second)}
    alone = 0
    for rows in groups:
        patients = {subject.carried[row].patient for row in rows}
        pictures = {subject.facts[row].pixels for row in rows}
        alone += len(patients) == 1 and "" not in patients and len(pictures) > 1 and changed.isdisjoint(rows)
    return f", {alone:,} of them within one patient: perhaps neighbouring slices" if alone else ""


def _how(subject: Subject) -> str:
    """Return how the first slice of each pair lies over the second, in counts of pairs."""
    pairs = [pair for pair in subject.copies.pairs if max(pair.first, pair.second) < subject.own]
    kinds = Counter(way for pair in pairs for way in ways(pair.overlay))
    told = [f"{kinds[way]:,} {way}" for way in WAYS if kinds[way]]
    return f"; of {counted(len(pairs), 'pair')} that were found, {', '.join(told)}" if told else ""
