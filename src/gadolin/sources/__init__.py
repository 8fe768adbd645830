"""Data sets in, records out: a folder or a manifest becomes a table of pictures with labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gadolin.errors import DataError
from gadolin.manifest import read_manifest
from gadolin.sources import folder
from gadolin.sources.found import Scan, require_trainable

__all__ = ["Progress", "Scan", "require_trainable", "scan"]

Progress = Callable[[int, int], None]


def scan(data: Path, *, patient_from: str | None = None, progress: Progress | None = None) -> Scan:
    """Recognise a data set: a manifest CSV, a folder holding ``manifest.csv``, or folders named by class.

    ``patient_from`` is "parent" (the folder a picture lies in names its patient) or a regular expression with one
    group, searched in the path below ``data``. ``progress`` is called with (done, total) files.
    Raises DataError where nothing usable is found.
    """
    if not data.exists():
        msg = f"the data must be a folder or a manifest CSV, {data} does not exist; check the path"
        raise DataError(msg)
    if data.is_file():
        return _from_manifest(data, patient_from)
    inside = data / "manifest.csv"
    if inside.is_file():
        return _from_manifest(inside, patient_from)
    return folder.scan_folder(data, patient_from=patient_from, progress=progress)


def _from_manifest(path: Path, patient_from: str | None) -> Scan:
    if patient_from is not None:
        msg = f"a manifest names patients in its own column, {path} is one; leave --patient-from out"
        raise DataError(msg)
    return Scan(root=path, kind="manifest", records=tuple(read_manifest(path)))
