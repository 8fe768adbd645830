"""Files that are the same byte for byte, and rows that name one file again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the files that are one file under several names, and one with rows that name one again."""
    groups: dict[str, dict[str, int]] = {}
    for row, record in enumerate(subject.mine):
        groups.setdefault(record.key, {}).setdefault(subject.names[row], row)
    files = [tuple(names) for key, names in groups.items() if key and len(names) > 1]
    return [*_rows(subject), *_files(subject, files)]


def _rows(subject: Subject) -> list[Finding]:
    times = Counter(subject.names[: subject.own])
    repeated = [name for name, count in times.items() if count > 1]
    if not repeated:
        return []
    extra = sum(times[name] - 1 for name in repeated)
    return [
        Finding(
            kind="byte_identical",
            severity="warning",
            message=f"{counted(extra, 'row')} of the manifest {'names' if extra == 1 else 'name'} a slice that another "
            f"row names already; {repeated[0]}, for one, stands there {counted(times[repeated[0]], 'time')}.",
            rule="Each slice stands in one row; the score is the number of needless rows.",
            remedy="Remove all rows of a slice but one; where they differ in label or part, find out which is right.",
            members=tuple((name,) for name in repeated),
            score=float(extra),
        )
    ]


def _files(subject: Subject, repeated: Sequence[tuple[str, ...]]) -> list[Finding]:
    if not repeated:
        return []
    extra = sum(len(names) - 1 for names in repeated)
    return [
        Finding(
            kind="byte_identical",
            severity="warning",
            message=f"{extra:,} of {subject.own:,} slices only repeat another file byte for byte, "
            f"in {len(repeated):,} groups.",
            rule="Files with the same SHA-256 digest are one file; the score is the number of needless files.",
            remedy="Keep one file of each group; where they stand in different parts, keep the one in training.",
            members=tuple(repeated),
            score=float(extra),
        )
    ]
