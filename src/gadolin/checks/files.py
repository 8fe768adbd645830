"""Checks for files that cannot be read, or that the manifest does not list."""

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
    """Return the most frequent remedies of the read errors, with their counts, as sentences."""
    counts = Counter(one.error.remedy for one in dataset.errors if one.error.remedy)
    return " ".join(
        f"{remedy[0].upper()}{remedy[1:]} ({counted(count, 'file')})." for remedy, count in counts.most_common(3)
    )


def unreadable(dataset: Dataset) -> list[Finding]:
    """Return a warning with the unreadable files, and the error of the first."""
    if not dataset.errors:
        return []
    first = dataset.errors[0]
    count = len(dataset.errors)
    return [
        Finding(
            kind="unreadable",
            severity="warning",
            message=f"{counted(count, 'file')} cannot be read and {'is' if count == 1 else 'are'} left out of the "
            f"other checks; {first.path}: {first.error.statement}.",
            rule="Every file with an image extension, or listed in the manifest, is decoded once, also where the "
            "manifest does not list it; the score is the number of failures.",
            remedy=f"{_remedies(dataset)} Exclude only files that no other program can open; training stops at them "
            "unless it is set to skip them.",
            members=tuple((one.path,) for one in dataset.errors),
            score=float(count),
        )
    ]


def unlisted(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a note with the pictures of the folder that its manifest does not list."""
    if dataset.unlisted is None:
        return Skipped("the data is not a folder with a manifest")
    if not dataset.unlisted:
        return []
    count = len(dataset.unlisted)
    return [
        Finding(
            kind="unlisted",
            severity="note",
            message=f"{counted(count, 'picture')} in the folder {'is' if count == 1 else 'are'} not listed in its "
            "manifest and not checked.",
            rule="manifest.csv must list every picture below the folder, as a slice or as an outline; the score is the "
            "number of unlisted pictures. Files that cannot be decoded are reported as unreadable.",
            remedy="Add rows for them, or remove them; software that reads folders instead of manifests uses them.",
            members=tuple((name,) for name in dataset.unlisted),
            score=float(count),
        )
    ]


def find_unlisted(found: Scan) -> tuple[list[Path], list[Failure]]:
    """Return the pictures in the scanned folder that its manifest does not list, and the unreadable ones."""
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
