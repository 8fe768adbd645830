"""Data sets of class folders, optionally inside split folders such as Training and Testing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from gadolin.datasets.labels import canonical
from gadolin.datasets.layouts.class_folders import find_layout, passes_for_slice
from gadolin.datasets.layouts.patient_ids import PatientRule
from gadolin.datasets.scan_result import Scan, in_order_of_path
from gadolin.errors import DataError, GadolinError, ReadError, cannot_open
from gadolin.progress import Progress
from gadolin.readers import MAX_BYTES, open_bytes, require_utf8
from gadolin.readers.contents import Contents, left_out
from gadolin.readers.file_types import HEAD, foreign_error, is_other
from gadolin.records import Failure, Record

__all__ = ["scan_folder", "sort_out"]


def scan_folder(root: Path, *, patient_from: str | None = None, progress: Progress | None = None) -> Scan:
    """Scan ``root``, which holds class folders, or split folders (Training, Testing, ...) with class folders.

    A folder that only wraps another one, or one folder with splits, is entered. Raises DataError if there is no class
    folder or no slice.
    """
    layout = find_layout(root)
    renamed = {one.folder: canonical(one.folder) for one in layout.placed if canonical(one.folder) != one.folder}
    patients = PatientRule(root, patient_from)
    records: list[Record] = []
    skipped = [*layout.failures]
    omitted = [*layout.left_out]
    for done, (part, name, path) in enumerate(layout.placed, start=1):
        try:
            contents, digest = _opened(path)
        except ReadError as error:
            skipped.append(Failure(str(path), error))
        else:
            if contents.omit is not None:
                omitted.append(Failure(str(path), contents.omit))
            else:
                record = Record(
                    path=path,
                    label=renamed.get(name, name),
                    patient=patients.of(path, name, contents),
                    group=_group(contents, digest),
                    split=part,
                    digest=digest,
                )
                records += _each_frame(record, contents)
        if progress is not None:
            progress(done, len(layout.placed), "scanning")
    for files, why in ((layout.loose, _in_no_class()), (layout.outside, _in_no_part())):
        failed, aside = sort_out(files, why)
        skipped += failed
        omitted += aside
    found = Scan(
        root=root,
        kind="parts" if layout.has_parts else "classes",
        records=tuple(records),
        renamed=renamed,
        errors=in_order_of_path(skipped),
        left_out=in_order_of_path(omitted),
        base=layout.base,
        patient_from=patient_from,
    )
    _require_slices(found)
    return found


def sort_out(files: Iterable[Path], why: GadolinError) -> tuple[list[Failure], list[Failure]]:
    """Return the ``files`` that cannot be opened, and the others as skipped.

    Apparent slices are skipped with the reason ``why``, other files for their unsupported format.
    """
    failed: list[Failure] = []
    aside: list[Failure] = []
    for path in files:
        try:
            aside.append(Failure(str(path), why if passes_for_slice(path) else foreign_error()))
        except OSError as error:
            failed.append(Failure(str(path), cannot_open(error)))
    return failed, aside


def _require_slices(found: Scan) -> None:
    if found.records:
        return
    left = [*found.errors, *found.left_out]
    got = f"no image was found in {found.root}"
    if left:
        path, why = Path(left[0].path).name, left[0].reason
        got = f"none of {len(left)} files in {found.root} could be used, such as {path}: {why}"
    raise DataError(
        code="layout_unknown",
        rule="a data folder must hold one folder of images per class, or Training/ and Testing/ with such folders",
        got=got,
        remedy="see the README for the layout",
    )


def _in_no_class() -> DataError:
    return DataError(
        code="in_no_class_folder", rule="a slice must be in the folder of its class", got="this one is in none"
    )


def _in_no_part() -> DataError:
    return DataError(
        code="in_no_part",
        rule="with split folders, a slice must be in one of them",
        got="this one is beside them",
        remedy="rename its folder to train, test or validation",
    )


def _opened(path: Path) -> tuple[Contents, str]:
    """Return the contents of a file and its digest; a file that is no slice by content and name is skipped unread.

    Raises ReadError for an invalid slice file, or one that cannot be opened.
    """
    require_utf8(path)
    try:
        with path.open("rb") as file:
            content = file.read(HEAD)
            if is_other(path.name, content):
                return left_out("other", foreign_error()), ""
            content += file.read(MAX_BYTES + 1 - len(content))
    except OSError as error:
        raise cannot_open(error) from error
    return open_bytes(content), hashlib.sha256(content).hexdigest()


def _group(contents: Contents, digest: str) -> str:
    """Return the group that keeps the slices of one volume or series in one split; empty for a single image."""
    if contents.place is not None and contents.place.series:
        return f"series-{contents.place.series}"
    return f"volume-{digest[:16]}" if contents.slices > 1 else ""


def _each_frame(record: Record, contents: Contents) -> list[Record]:
    if contents.slices == 1:
        return [replace(record, sequence=contents.sequence(0))]
    return [replace(record, frame=frame, sequence=contents.sequence(frame)) for frame in range(contents.slices)]
