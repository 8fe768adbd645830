"""Data sets in, records out: a folder or a manifest becomes a table of pictures with labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gadolin.errors import DataError
from gadolin.manifest import read_manifest
from gadolin.sources import annotated, figshare, folder
from gadolin.sources.found import Scan, require_trainable
from gadolin.sources.known import SOURCES, fetch, recognise
from gadolin.sources.labels import canonical
from gadolin.sources.unfinished import refuse_unfinished

__all__ = ["SOURCES", "Progress", "Scan", "fetch", "require_trainable", "scan"]

Progress = Callable[[int, int], None]


def scan(data: Path, *, patient_from: str | None = None, progress: Progress | None = None) -> Scan:
    """Recognise a data set: a manifest CSV or a folder holding one, Figshare's slices, annotations, or class folders.

    ``patient_from`` is "parent" (the folder a picture lies in names its patient) or a regular expression with one
    group, searched in the path below ``data``. ``progress`` is called with (done, total) files.
    Raises DataError where nothing usable is found, or only half a fetch.
    """
    if not data.exists():
        raise DataError(
            code="data_not_found",
            rule="the data must be a folder or a manifest CSV",
            got=f"{data} does not exist",
            remedy="check the path",
        )
    if data.is_file():
        return _from_manifest(data, patient_from)
    refuse_unfinished(data)
    inside = data / "manifest.csv"
    if inside.is_file():
        return _from_manifest(inside, patient_from)
    if figshare.slice_files(data):
        if patient_from is not None:
            raise DataError(
                code="patient_rule_not_needed",
                rule="these slices name their own patients",
                got=f"{data} holds such .mat files",
                remedy="leave --patient-from out",
            )
        return recognise(figshare.scan_mats(data, progress=progress))
    if annotated.is_annotated(data):
        if patient_from is not None:
            raise DataError(
                code="patient_rule_not_needed",
                rule="annotations name patients in their own column",
                got=f"{data} has some",
                remedy="leave --patient-from out",
            )
        return recognise(annotated.scan_annotated(data, progress=progress))
    return recognise(folder.scan_folder(data, patient_from=patient_from, progress=progress))


def _from_manifest(path: Path, patient_from: str | None) -> Scan:
    if patient_from is not None:
        raise DataError(
            code="patient_rule_not_needed",
            rule="a manifest names patients in its own column",
            got=f"{path} is one",
            remedy="leave --patient-from out",
        )
    read = read_manifest(path)
    renamed = {one.label: canonical(one.label) for one in read if canonical(one.label) != one.label}
    records = tuple(replace(one, label=renamed.get(one.label, one.label)) for one in read)
    return recognise(Scan(root=path, kind="manifest", records=records, renamed=renamed))
