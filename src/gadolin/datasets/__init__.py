"""Read data sets: a folder or a manifest becomes a list of records."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from gadolin.datasets.header_sequences import require_header_sequences
from gadolin.datasets.labels import canonical
from gadolin.datasets.layouts import annotated, folders, slice_table
from gadolin.datasets.layouts.class_folders import inner_folders, require_open
from gadolin.datasets.layouts.unlisted import with_unlisted
from gadolin.datasets.manifest import read_manifest
from gadolin.datasets.releases import figshare, lgg
from gadolin.datasets.releases.registry import SOURCES, Source, fetch, recognise
from gadolin.datasets.releases.release import Release
from gadolin.datasets.releases.unfinished import refuse_unfinished
from gadolin.datasets.scan_result import Scan, require_trainable
from gadolin.errors import DataError, RequestError
from gadolin.files.folder_walk import special_file
from gadolin.progress import Progress
from gadolin.records import Failure

__all__ = [
    "SOURCES",
    "Release",
    "Scan",
    "Source",
    "fetch",
    "require_trainable",
    "scan",
]


def scan(data: Scan | Path | str, *, patient_from: str | None = None, progress: Progress | None = None) -> Scan:
    """Recognise a data set: a manifest CSV or a folder with one, Figshare's slices, tables, or class folders.

    A ``Scan`` is returned unchanged. ``patient_from`` is "parent" (the parent folder is the patient), "dicom", "bids",
    or a regular expression with one group, searched in the path below ``data``. ``progress`` counts files.
    Raises DataError if nothing usable is found or a fetch is incomplete; RequestError for another type.
    """
    if isinstance(data, Scan):
        _refuse_rule(patient_from, f"{data.root} is scanned already")
        return data
    if not isinstance(data, str | Path):
        raise RequestError(
            code="input_unfit",
            rule="data must be a Scan, or the path of a folder or manifest",
            got=f"got a {type(data).__name__}",
            remedy="pass its path",
        )
    data = Path(data)
    if special := special_file(str(data)):
        raise DataError(
            code=special.code, rule="the data must be a folder or a manifest CSV", got=special.got, path=data
        )
    if not os.path.exists(data):  # noqa: PTH110  # accepts any name
        raise DataError(
            code="data_not_found",
            rule="the data must be a folder or a manifest CSV",
            got=f"{data} does not exist",
            remedy="check the path",
        )
    if not data.is_dir():
        return recognise(_from_manifest(data, patient_from))
    require_open(data)
    for base in inner_folders(data):
        refuse_unfinished(base)
        found = _from_table(data, base, patient_from, progress)
        if found is not None:
            return recognise(found)
    return recognise(folders.scan_folder(data, patient_from=patient_from, progress=progress))


def _from_table(data: Path, base: Path, patient_from: str | None, progress: Progress | None) -> Scan | None:
    """Return the data set of a manifest, numbered MATLAB files or annotations in ``base``, or None.

    It also reports the other files in ``data``.
    """
    inside = base / "manifest.csv"
    if os.path.isfile(inside):  # noqa: PTH113
        found = _from_manifest(inside, patient_from)
        return with_unlisted(
            found, data, [inside], _unused("not_in_manifest", "listed in the manifest", "add a row for it")
        )
    if figshare.slice_files(base):
        _refuse_rule(patient_from, f"the .mat files in {base} contain them")
        found = figshare.scan_mats(base, progress=progress)
        why = _unused("not_a_numbered_slice", "in a numbered file such as 1.mat")
        return with_unlisted(found, data, [base / figshare.FOLDS], why)
    if annotated.is_annotated(base):
        _refuse_rule(patient_from, f"the annotations in {base} have a column for them")
        found = annotated.scan_annotated(base, progress=progress)
        why = _unused("not_in_annotations", f"listed in {annotated.TABLE}", "add a row for it")
        return with_unlisted(found, data, [base / annotated.TABLE], why)
    if slice_table.has_slice_table(base):
        _refuse_rule(patient_from, f"the table in {base} has a column for them")
        found = slice_table.scan_slice_table(base, progress=progress)
        why = _unused("not_in_annotations", f"listed in {slice_table.TABLE}", "add a row for it")
        return with_unlisted(found, data, [base / slice_table.TABLE], why)
    if lgg.is_lgg(base):
        _refuse_rule(patient_from, f"the folder names in {base} contain them")
        found = lgg.scan_lgg(base, progress=progress)
        known = {*(one.path for one in found.records), *(Path(one.path) for one in found.left_out)}
        why = _unused("not_a_numbered_slice", "in a numbered TIFF with its mask beside it")
        return with_unlisted(found, data, [*known, *map(lgg.mask_of, known)], why)
    return None


def _unused(code: str, where: str, remedy: str = "") -> DataError:
    return DataError(code=code, rule=f"a slice of this data set must be {where}", got="this one is not", remedy=remedy)


def _refuse_rule(patient_from: str | None, got: str) -> None:
    """Raise DataError if a patient rule is given for data that has its own patient ids."""
    if patient_from is not None:
        raise DataError(
            code="patient_rule_not_needed",
            rule="patient_from is only for folders without patient ids",
            got=got,
            remedy="leave it out",
        )


def _from_manifest(path: Path, patient_from: str | None) -> Scan:
    _refuse_rule(patient_from, f"the manifest {path} has a column for them")
    failures: list[Failure] = []
    read = read_manifest(path, failures=failures)
    require_header_sequences(read)
    renamed = {one.label: canonical(one.label) for one in read if canonical(one.label) != one.label}
    records = tuple(replace(one, label=renamed.get(one.label, one.label)) for one in read)
    return Scan(root=path, kind="manifest", records=records, renamed=renamed, errors=tuple(failures))
