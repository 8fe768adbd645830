"""Files that cannot be read, or that the manifest does not list."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from gadolin.checks.dataset import Dataset
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted
from gadolin.datasets import Scan
from gadolin.errors import ReadError
from gadolin.readers import one_of, open_file
from gadolin.records import Failure, Finding

__all__ = ["find_unlisted", "unlisted", "unreadable"]


def _remedies(dataset: Dataset) -> str:
    """Return what each kind of trouble asks for, the most frequent first, as sentences."""
    counts = Counter(one.error.remedy for one in dataset.errors if one.error.remedy)
    return " ".join(
        f"{remedy[0].upper()}{remedy[1:]} ({counted(count, 'file')})." for remedy, count in counts.most_common(3)
    )


def unreadable(dataset: Dataset) -> list[Finding]:
    """Return a warning with the files that cannot be read, and why the first cannot."""
    if not dataset.errors:
        return []
    first = dataset.errors[0]
    count = len(dataset.errors)
    return [
        Finding(
            kind="unreadable",
            severity="warning",
            message=f"{counted(count, 'file')} cannot be read and {'is' if count == 1 else 'are'} left out of every "
            f"other check; {first.path}: {first.error.statement}.",
            rule="Every file that is named like a picture, or stands in the manifest, is decoded once, also where a "
            "manifest beside it does not name it; the score is the number of those that fail.",
            remedy=f"{_remedies(dataset)} Exclude only files that no other program opens either; training refuses them "
            "unless told to skip them.",
            members=tuple((one.path,) for one in dataset.errors),
            score=float(count),
        )
    ]


def unlisted(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a note with the pictures of the folder that its manifest does not name."""
    if dataset.unlisted is None:
        return Skipped("only a folder that holds a manifest may hold pictures that it does not name")
    if not dataset.unlisted:
        return []
    count = len(dataset.unlisted)
    return [
        Finding(
            kind="unlisted",
            severity="note",
            message=f"{counted(count, 'picture')} in the folder {'does' if count == 1 else 'do'} not stand in its "
            "manifest and were not looked at.",
            rule="Every file below the folder that is or passes for a picture stands in manifest.csv, as a slice or as "
            "an outline; the score is the number of those that do not. What cannot be decoded is told as unreadable.",
            remedy="Add rows for them, or remove them; who reads the folders and not the manifest takes them too.",
            members=tuple((name,) for name in dataset.unlisted),
            score=float(count),
        )
    ]


def find_unlisted(found: Scan) -> tuple[list[Path], list[Failure]]:
    """Return the pictures that lie in the scanned folder beside its manifest, and those that cannot be read."""
    pictures: list[Path] = []
    failed: list[Failure] = []
    for one in found.left_out:
        if one.code != "not_in_manifest":
            continue
        try:
            contents = open_file(one.path)
            if contents.omit is None:
                one_of(contents, 0)
                pictures.append(Path(one.path))
        except ReadError as error:
            failed.append(Failure(one.path, error))
    return pictures, failed
