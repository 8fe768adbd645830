"""The files of a scanner's series, in the order in which they lie in the body."""

from __future__ import annotations

import logging
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gadolin.errors import ReadError, RequestError
from gadolin.readers import open_file
from gadolin.readers.contents import Place
from gadolin.readers.kinds import HEAD, file_kind, foreign, is_other

__all__ = ["by_place", "in_order"]

_LOG = logging.getLogger("gadolin")
_SAME_PLANE = 0.999  # of the cosine between two normals
_TOLD = 5  # folders, in an error


class _Found(NamedTuple):
    """What is kept of a file while a folder is put in order; its pixels are let go."""

    omit: ReadError | None
    place: Place


_NOWHERE = Place("", "", None, (0.0, 0.0, 0.0), 0)


def in_order(paths: Sequence[Path], *, series: str | None = None) -> list[Path]:
    """Return ``paths`` with the DICOM files of each folder in anatomical order.

    Files of one series come plane by plane, then by position, then as they were acquired; those without a position as
    they were acquired. Localisers and files that neither hold a slice nor pass for one are left out, and that is
    logged. Pictures, and files that cannot be read, stay where they are: what is wrong with them is told when they are
    read. ``series`` names the series to keep of each folder, by its number or as the error tells. Raises RequestError
    where a folder holds several series and none is chosen, or where no file belongs to the chosen one.
    """
    found = {path: one for path in paths if (one := _look(path)) is not None}
    left_out = {path for path, one in found.items() if one.omit}
    for path in sorted(left_out):
        _LOG.warning("left out %s: %s", path, found[path].omit)
    kept = {path: one.place for path, one in found.items() if path not in left_out}
    whole: dict[Path, list[Path]] = defaultdict(list)
    for path in kept:
        whole[path.parent].append(path)
    folders = _chosen(kept, whole, series) if series is not None and kept else whole
    left_out |= set(kept) - {path for members in folders.values() for path in members}
    for folder, members in folders.items():
        if len({kept[path].series for path in members}) > 1:
            told = _told(kept[path] for path in members)
            raise RequestError(
                code="several_series",
                rule="a folder must hold one series",
                got=f"{folder} holds {told}",
                remedy="choose one with --series or sort them apart",
            )
    sorted_files = {folder: iter(by_place({path: kept[path] for path in each})) for folder, each in folders.items()}
    return [next(sorted_files[path.parent]) if path in kept else path for path in paths if path not in left_out]


def by_place(places: Mapping[Path, Place]) -> list[Path]:
    """Return the files of one series by plane, position, number of acquisition and name.

    Planes count as one within 2.5 degrees.
    """
    planes: list[tuple[float, float, float]] = []
    keys: dict[Path, tuple[int, float, int, Path]] = {}
    for path, place in places.items():
        if place.position is None:
            keys[path] = (len(places), 0.0, place.instance, path)
            continue
        turns = [sum(a * b for a, b in zip(plane, place.direction, strict=True)) for plane in planes]
        number = next((index for index, turn in enumerate(turns) if abs(turn) > _SAME_PLANE), len(planes))
        if number == len(planes):
            planes.append(place.direction)
            turns.append(1.0)
        keys[path] = (number, place.position if turns[number] > 0 else -place.position, place.instance, path)
    return sorted(places, key=lambda path: keys[path])


def _look(path: Path) -> _Found | None:
    """Return what is kept of a readable DICOM file or of one that is none of ours, or None."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if is_other(path.name, head):
            return _Found(foreign(), _NOWHERE)
        if file_kind(head) != "DICOM":
            return None
        opened = open_file(path)
    except (OSError, ReadError):
        return None
    return _Found(opened.omit, opened.place or _NOWHERE)


def _chosen(kept: Mapping[Path, Place], folders: Mapping[Path, list[Path]], series: str) -> dict[Path, list[Path]]:
    """Return the files of each folder that are of the series that is called so there."""
    chosen: dict[Path, list[Path]] = {}
    for folder, members in folders.items():
        names = _names(kept[path] for path in members)
        chosen[folder] = [path for path in members if names[kept[path].series] == series]
        if not chosen[folder]:
            _LOG.warning("left out %s: it holds %s", folder, _told(kept[path] for path in members))
    if not any(chosen.values()):
        there = [(folder, _told(kept[path] for path in members)) for folder, members in folders.items()]
        told = there[0][1] if len(there) == 1 else "; ".join(f"{told} in {folder}" for folder, told in there[:_TOLD])
        more = f"; and {len(there) - _TOLD} more folders" if len(there) > _TOLD else ""
        raise RequestError(
            code="series_unknown",
            rule="--series must be the number of a series that is there",
            got=f"got {series}",
            remedy=f"there are {told}{more}",
        )
    return chosen


def _names(places: Iterable[Place]) -> dict[str, str]:
    """Return what each series is called: its number, or the beginning of its key where that names several or none."""
    numbers = {place.series: place.number for place in places}
    counts = Counter(numbers.values())
    return {key: number if number and counts[number] == 1 else key[:6] for key, number in numbers.items()}


def _told(places: Iterable[Place]) -> str:
    there = list(places)
    counts = Counter(place.series for place in there)
    names = _names(there)
    told = sorted((names[key], count) for key, count in counts.items())
    return ", ".join(f"series {name} ({count} file{'s' * (count > 1)})" for name, count in told)
