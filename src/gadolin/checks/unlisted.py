"""Pictures that lie in the folder of a manifest and do not stand in it."""

from __future__ import annotations

from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return a note with the pictures of the folder that its manifest does not name."""
    if subject.unlisted is None:
        return Skipped("only a folder that holds a manifest may hold pictures that it does not name")
    if not subject.unlisted:
        return []
    count = len(subject.unlisted)
    return [
        Finding(
            kind="unlisted",
            severity="note",
            message=f"{counted(count, 'picture')} in the folder {'does' if count == 1 else 'do'} not stand in its "
            "manifest and were not looked at.",
            rule="Every file below the folder that is or passes for a picture stands in manifest.csv, as a slice or as "
            "an outline; the score is the number of those that do not. What cannot be decoded is told as unreadable.",
            remedy="Add rows for them, or remove them; who reads the folders and not the manifest takes them too.",
            members=tuple((name,) for name in subject.unlisted),
            score=float(count),
        )
    ]
