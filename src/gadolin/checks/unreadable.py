"""Files that should be pictures and cannot be read."""

from __future__ import annotations

from collections import Counter

from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.records import Finding

__all__ = ["check"]


def _remedies(subject: Subject) -> str:
    """Return what each kind of trouble asks for, the most frequent first, as sentences."""
    counts = Counter(one.error.remedy for one in subject.errors if one.error.remedy)
    return " ".join(
        f"{remedy[0].upper()}{remedy[1:]} ({counted(count, 'file')})." for remedy, count in counts.most_common(3)
    )


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the files that cannot be read, and why the first cannot."""
    if not subject.errors:
        return []
    first = subject.errors[0]
    count = len(subject.errors)
    return [
        Finding(
            kind="unreadable",
            severity="warning",
            message=f"{counted(count, 'file')} cannot be read and {'is' if count == 1 else 'are'} left out of every "
            f"other check; {first.path}: {first.error.statement}.",
            rule="Every file that is named like a picture, or stands in the manifest, is decoded once, also where a "
            "manifest beside it does not name it; the score is the number of those that fail.",
            remedy=f"{_remedies(subject)} Exclude only files that no other program opens either; training refuses them "
            "unless told to skip them.",
            members=tuple((one.path,) for one in subject.errors),
            score=float(count),
        )
    ]
