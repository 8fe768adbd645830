"""Pictures that show one slice, however they were mirrored, turned, rescaled, cut or saved again."""

from __future__ import annotations

from gadolin.audit.subject import Subject
from gadolin.audit.words import counted, percent
from gadolin.copies import COPY_CORRELATION, Copy
from gadolin.records import Finding

__all__ = ["check"]

_TURNED = 5.0  # degrees
_SCALED = 0.05


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the groups of copies within the data set, and how the copies were changed."""
    inside = [tuple(row for row in rows if row < subject.own) for rows in subject.copy_groups]
    groups = [rows for rows in inside if len(rows) > 1]
    if not groups:
        return []
    extra = sum(len(rows) - 1 for rows in groups)
    return [
        Finding(
            kind="near_copies",
            severity="warning",
            message=f"{extra:,} of {counted(subject.own, 'slice')} ({percent(extra, subject.own)}) only repeat another "
            f"slice, in {counted(len(groups), 'group')}{_how(subject)}.",
            rule="Any two slices of a group can be laid over each other, also mirrored, turned or rescaled, so that "
            f"their fine structure correlates above {COPY_CORRELATION}; the score is the number of needless slices.",
            remedy="Keep each group on one side of every split, and count it once when you count slices.",
            members=tuple(subject.named(rows) for rows in groups),
            score=float(extra),
        )
    ]


def _how(subject: Subject) -> str:
    """Return how the first slice of each pair lies over the second, in counts of pairs."""
    pairs = [pair for pair in subject.copies.pairs if max(pair.first, pair.second) < subject.own]
    kinds = {
        "mirrored": sum(pair.overlay.mirrored for pair in pairs),
        "turned": sum(_is_turned(pair) for pair in pairs),
        "rescaled": sum(abs(pair.overlay.scale - 1) > _SCALED for pair in pairs),
    }
    told = [f"{count:,} {kind}" for kind, count in kinds.items() if count]
    return f"; of {counted(len(pairs), 'pair')} that were found, {', '.join(told)}" if told else ""


def _is_turned(pair: Copy) -> bool:
    return abs(pair.overlay.degrees) > _TURNED
