"""The files of a scanner's series, in the order in which they lie in the body."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from gadolin.errors import ReadError, RequestError
from gadolin.readers import open_file
from gadolin.readers.contents import Contents
from gadolin.readers.kinds import HEAD, file_kind

__all__ = ["in_order"]

_LOG = logging.getLogger("gadolin")


def in_order(paths: Sequence[Path], *, series: str | None = None) -> list[Path]:
    """Return ``paths`` with the DICOM files of each folder ordered by series and position, and localisers left out.

    Other files, and DICOM files that cannot be read, stay where they are: they are reported when they are read.
    ``series`` is the number of the one series to keep. Raises RequestError where a folder holds several series and
    none is chosen, or where no file belongs to the chosen one.
    """
    opened = {path: contents for path in paths if (contents := _header(path)) is not None}
    left_out = {path for path, contents in opened.items() if contents.omit}
    for path in sorted(left_out):
        _LOG.warning("left out %s: %s", path, opened[path].omit)
    kept = {path: contents for path, contents in opened.items() if path not in left_out}
    if series is not None:
        left_out |= {path for path, contents in kept.items() if contents.series_number != series}
        if kept and not set(kept) - left_out:
            msg = (
                f"--series must be the number of a series that is there, got {series}; there are {_told(kept.values())}"
            )
            raise RequestError(msg)
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in kept:
        if path not in left_out:
            folders[path.parent].append(path)
    for folder, members in folders.items():
        if series is None and len({kept[path].series for path in members}) > 1:
            told = _told(kept[path] for path in members)
            msg = f"a folder must hold one series, {folder} holds {told}; choose one with --series or sort them apart"
            raise RequestError(msg)
        members.sort(key=lambda path: (kept[path].series, kept[path].position, path))
    sorted_files = {folder: iter(members) for folder, members in folders.items()}
    return [next(sorted_files[path.parent]) if path in kept else path for path in paths if path not in left_out]


def _header(path: Path) -> Contents | None:
    """Return what a readable DICOM file holds, or None."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        return open_file(path) if file_kind(head) == "DICOM" else None
    except (OSError, ReadError):
        return None


def _told(opened: Iterable[Contents]) -> str:
    counts = Counter(contents.series_number or "without a number" for contents in opened)
    return ", ".join(f"series {number} ({count} files)" for number, count in sorted(counts.items()))
