"""Sort the files of a scanner's series in anatomical order."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from gadolin.errors import ReadError, RequestError
from gadolin.readers import open_file
from gadolin.readers.contents import Place
from gadolin.readers.file_types import HEAD, file_kind, foreign_error, is_other
from gadolin.readers.planes import NOWHERE, along, are_three_planes, localiser_error, planes_of
from gadolin.records import Failure

__all__ = ["Ordered", "by_place", "in_order"]

_SHOWN = 5  # folders, in an error


class Ordered(NamedTuple):
    """``files`` in order, with a Failure in place of a folder with several series; ``left_out`` the skipped ones."""

    files: list[Path | Failure]
    left_out: list[Failure]


class _Found(NamedTuple):
    """The facts about a file that sorting needs; its pixels are released."""

    omit: ReadError | None
    place: Place


_NOWHERE = Place("", "", None, NOWHERE, 0)


def in_order(paths: Sequence[Path], *, series: str | None = None) -> Ordered:
    """Return ``paths`` with the DICOM files of each folder in anatomical order, and the skipped files.

    Files of one series are sorted by plane, then position, then acquisition; without a position, by acquisition.
    Skipped are localisers, objects that accompany a series, files that are no slices, and series that were not chosen.
    Images of other formats and unreadable files keep their place; reading reports their errors later. ``series`` is the
    series to keep in each folder: its number, or the name that the error lists. Without a choice, a folder with several
    series yields a Failure in place of its files. Raises RequestError if no file belongs to the chosen series.
    """
    found = {path: one for path in paths if (one := _look(path)) is not None}
    left_out = {path: one.omit for path, one in found.items() if one.omit is not None}
    left_out |= _plans({path: one.place for path, one in found.items() if path not in left_out})
    kept = {path: one.place for path, one in found.items() if path not in left_out}
    folders: dict[Path, list[Path]] = defaultdict(list)
    for path in kept:
        folders[path.parent].append(path)
    if series is not None and kept:
        folders, others = _chosen(kept, folders, series)
        left_out |= others
    places: dict[Path, Iterator[Path | Failure]] = {}
    for folder, members in folders.items():
        if len({kept[path].series for path in members}) > 1:
            places[folder] = iter([Failure(str(folder), _several_series(folder, [kept[path] for path in members]))])
        else:
            named = sorted(members)
            places[folder] = iter([named[row] for row in by_place([kept[path] for path in named])])
    ordered = [next(places[path.parent], None) if path in kept else path for path in paths if path not in left_out]
    skipped = [Failure(str(path), error) for path, error in sorted(left_out.items())]
    return Ordered([one for one in ordered if one is not None], skipped)


def _plans(places: Mapping[Path, Place]) -> dict[Path, ReadError]:
    """Return the files of every localiser: a series in three mutually orthogonal planes."""
    members: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for path, place in places.items():
        if place.series and place.position is not None:
            members[path.parent, place.series].append(path)
    plan = localiser_error()
    return {
        path: plan
        for paths in members.values()
        if are_three_planes(places[path].direction for path in paths)
        for path in paths
    }


def by_place(places: Sequence[Place]) -> list[int]:
    """Return the indices of the files of one series, sorted by plane, position and instance number.

    Planes count as one within 2.5 degrees.
    """
    planes = planes_of(place.direction for place in places if place.position is not None)

    def key(row: int) -> tuple[int, float, int]:
        place = places[row]
        at = (len(planes), 0.0) if place.position is None else along(planes, place.direction, place.position)
        return *at, place.instance

    return sorted(range(len(places)), key=key)


def _look(path: Path) -> _Found | None:
    """Return the facts about a readable DICOM file or a file to skip, or None."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
        if is_other(path.name, head):
            return _Found(foreign_error(), _NOWHERE)
        if file_kind(head) != "DICOM":
            return None
        opened = open_file(path)
    except (OSError, ReadError):
        return None
    return _Found(opened.omit, opened.place or _NOWHERE)


def _chosen(
    kept: Mapping[Path, Place], folders: Mapping[Path, list[Path]], series: str
) -> tuple[dict[Path, list[Path]], dict[Path, ReadError]]:
    """Return the files of the chosen series in each folder, and the reason to skip each other file."""
    chosen: dict[Path, list[Path]] = {}
    others: dict[Path, ReadError] = {}
    for folder, members in folders.items():
        names = _names(kept[path] for path in members)
        chosen[folder] = [path for path in members if names[kept[path].series] == series]
        others |= {
            path: _other_series(series, name) for path in members if (name := names[kept[path].series]) != series
        }
    if not any(chosen.values()):
        found = [(folder, _listed(kept[path] for path in members)) for folder, members in folders.items()]
        listed = found[0][1] if len(found) == 1 else "; ".join(f"{text} in {folder}" for folder, text in found[:_SHOWN])
        more = f"; and {len(found) - _SHOWN} more folders" if len(found) > _SHOWN else ""
        raise RequestError(
            code="series_unknown",
            rule="--series must be the number of an existing series",
            got=f"got {series}",
            remedy=f"choose one: {listed}{more}",
        )
    return chosen, others


def _other_series(chosen: str, name: str) -> ReadError:
    return ReadError(
        code="other_series", rule=f"only series {chosen} of each folder is used", got=f"this belongs to series {name}"
    )


def _several_series(folder: Path, places: Iterable[Place]) -> RequestError:
    return RequestError(
        code="several_series",
        rule="a folder must hold one series",
        got=f"this one holds {_listed(places)}",
        remedy="choose one with --series or move them to separate folders",
        path=folder,
    )


def _names(places: Iterable[Place]) -> dict[str, str]:
    """Return the display name of each series: its number, or the start of its key if the number is not unique."""
    numbers = {place.series: place.number for place in places}
    counts = Counter(numbers.values())
    return {key: number if number and counts[number] == 1 else key[:6] for key, number in numbers.items()}


def _listed(places: Iterable[Place]) -> str:
    present = list(places)
    counts = Counter(place.series for place in present)
    names = _names(present)
    described = {place.series: f", {place.description}" for place in present if place.description}
    listed = sorted((names[key], described.get(key, ""), count) for key, count in counts.items())
    return ", ".join(f"series {name}{text} ({count} file{'s' * (count > 1)})" for name, text, count in listed)
