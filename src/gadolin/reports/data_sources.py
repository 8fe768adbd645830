"""The sources of a data set: the slices of each, and the public release that they are from, if it is a known one."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gadolin.datasets import SOURCES, Release
from gadolin.datasets.layouts.class_folders import part_of
from gadolin.datasets.releases.release import SEE_THE_PAGE
from gadolin.records import Record

__all__ = ["DataSource", "data_name", "data_sources"]

_PHANTOM, _PHANTOM_PATIENT = "phantom", re.compile(r"s\d+p\d+")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LONGEST = 80  # characters of a file name
_UNTELLING = re.compile(r"(manifest|splits?|parts)s?", re.IGNORECASE)  # names of a manifest, not of a data set


@dataclass(frozen=True, slots=True)
class DataSource:
    """One source of a data set.

    ``name`` is that of the manifest, or of the data set if the manifest has none; ``file_name`` is that of its
    datasheet, unique within the data set. ``release`` is the public release that the slices are from, or None.
    """

    name: str
    file_name: str
    records: tuple[Record, ...]
    release: Release | None = None

    @property
    def synthetic(self) -> bool:
        """Whether the slices are phantoms that Gadolin drew, by the names of source and patients."""
        return all(one.source == _PHANTOM and _PHANTOM_PATIENT.fullmatch(one.patient) for one in self.records)

    @property
    def licence(self) -> str:
        """The licence, as far as it is known, else ""."""
        if self.synthetic:
            return "drawn by Gadolin (Apache-2.0)"
        known = self.release is not None and self.release.licence != SEE_THE_PAGE
        return self.release.licence if known and self.release else ""


def data_name(data: str, records: Sequence[Record]) -> str:
    """Return the name of the data set at the path ``data``, a folder or a manifest of ``records``.

    It is the name of the folder, or that of the manifest without ``.csv``. A manifest with a name such as manifest.csv
    or split.csv has the name of its folder if that contains all slices, else of the folder that they have in common.
    """
    path = Path(data)
    manifest = path.suffix.lower() == ".csv"
    name = path.stem if manifest else path.name
    if name not in ("", "..") and not (manifest and _UNTELLING.fullmatch(name)):
        return name
    common, folder = _common_folder(records), path.parent
    holds_all = not folder.is_absolute() or common.is_relative_to(folder)
    if name == "manifest" and folder.name and holds_all:
        return folder.name
    return common.name or folder.name or "data"


def _common_folder(records: Sequence[Record]) -> Path:
    """Return the folder that all slices have in common, above those of parts such as Training."""
    folders = {one.path.parent.absolute() for one in records}
    common = Path(os.path.commonpath(folders)) if folders else Path()
    return common.parent if part_of(common.name) else common


def data_sources(records: Sequence[Record], data: str) -> tuple[DataSource, ...]:
    """Return the sources of ``records`` in order of their names; ``data`` is the name of the data set."""
    by_name: dict[str, list[Record]] = {}
    for record in records:
        by_name.setdefault(record.source, []).append(record)
    taken: set[str] = set()
    found = []
    for name in sorted(by_name):
        shown = name or data
        members = tuple(by_name[name])
        found.append(DataSource(shown, _file_name(shown, taken), members, _release(name, members)))
    return tuple(found)


def _file_name(name: str, taken: set[str]) -> str:
    """Return a file name that every file system allows, and that is not in ``taken``, to which it is added."""
    stem = _UNSAFE.sub("-", name).strip("-.")[:_LONGEST] or "source"
    first, number = stem, 1
    while stem.lower() in taken:
        number += 1
        stem = f"{first}-{number}"
    taken.add(stem.lower())
    return f"datasheet-{stem}.md"


def _release(name: str, records: Sequence[Record]) -> Release | None:
    """Return the release of this name, or, for slices without a source, the one whose counts by class they have."""
    for source in SOURCES.built_in:
        release = SOURCES.get(source).release
        if release.name == name or (not name and release.is_part(records)):
            return release
    plugins = (source.release for source in SOURCES.plugins().values())
    return next((one for one in plugins if one.name == name), None)
