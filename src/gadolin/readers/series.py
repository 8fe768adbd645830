"""The files of a scanner's series, in the order in which they lie in the body."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from gadolin.errors import ReadError, RequestError
from gadolin.readers import open_file
from gadolin.readers.kinds import HEAD, file_kind, is_other

__all__ = ["in_order"]

_LOG = logging.getLogger("gadolin")


class _Place(NamedTuple):
    """Where a file stands among others: all that is kept of it, its pixels are let go."""

    omit: str
    series: str
    number: str
    position: float


def in_order(paths: Sequence[Path], *, series: str | None = None) -> list[Path]:
    """Return ``paths`` with the DICOM files of each folder ordered by series and position.

    Localisers and files that neither hold a slice nor pass for one are left out, and that is logged. Pictures, and
    files that cannot be read, stay where they are: what is wrong with them is told when they are read.
    ``series`` is the number of the one series to keep. Raises RequestError where a folder holds several series and
    none is chosen, or where no file belongs to the chosen one.
    """
    places = {path: place for path in paths if (place := _place(path)) is not None}
    left_out = {path for path, place in places.items() if place.omit}
    for path in sorted(left_out):
        _LOG.warning("left out %s: %s", path, places[path].omit)
    kept = {path: place for path, place in places.items() if path not in left_out}
    if series is not None:
        left_out |= {path for path, place in kept.items() if place.number != series}
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


def _place(path: Path) -> _Place | None:
    """Return the place of a readable DICOM file or of one that is none of ours, or None."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if is_other(path.name, head):
            return _Place("it is none of the formats that are read", "", "", 0.0)
        if file_kind(head) != "DICOM":
            return None
        found = open_file(path)
    except (OSError, ReadError):
        return None
    return _Place(found.omit, found.series, found.series_number, found.position)


def _told(places: Iterable[_Place]) -> str:
    counts = Counter(place.number or "without a number" for place in places)
    return ", ".join(f"series {number} ({count} file{'s' * (count > 1)})" for number, count in sorted(counts.items()))
