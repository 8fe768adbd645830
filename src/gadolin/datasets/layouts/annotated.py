"""Layout of one image folder with a table: ``images/N.jpg`` and ``annotations.csv``."""

from __future__ import annotations

import os
from pathlib import Path

from gadolin.datasets.labels import canonical
from gadolin.datasets.layouts.tables import read_rows
from gadolin.datasets.manifest import file_digest
from gadolin.datasets.scan_result import Scan
from gadolin.errors import DataError, ReadError
from gadolin.files.folder_walk import Walker
from gadolin.progress import Progress
from gadolin.readers import open_file
from gadolin.records import Failure, Record

__all__ = ["TABLE", "is_annotated", "scan_annotated"]

TABLE = "annotations.csv"
_IMAGES = "images"
_REQUIRED = ("number", "label")


def is_annotated(root: Path) -> bool:
    """Return whether ``root`` holds a table of annotations and its image folder."""
    return os.path.isfile(root / TABLE) and os.path.isdir(root / _IMAGES)  # noqa: PTH112, PTH113  # these never raise


def scan_annotated(root: Path, *, progress: Progress | None = None) -> Scan:
    """Scan such a folder: class, patient (column ``person``, else ``patient``) and fold of each image.

    The columns ``number`` and ``label`` are required, unknown ones ignored. A row whose image is missing or unreadable
    becomes an error of the scan. Raises DataError if the table is invalid or matches no image.
    """
    table = root / TABLE
    rows = read_rows(table, _REQUIRED)
    pictures = {path.stem: path for path in Walker().listing(root / _IMAGES).files}
    renamed: dict[str, str] = {}
    records: list[Record] = []
    skipped: list[Failure] = []
    for done, row in enumerate(rows, start=1):
        path = pictures.get(row["number"])
        label, fold = row["label"], row.get("fold") or ""
        if not label or (fold and not fold.isdecimal()):
            raise DataError(
                code="annotations_row_invalid",
                rule="every row must have a label, and a whole number or nothing as fold",
                got=f"row {row['number']} does not",
                remedy="correct it",
                path=table,
            )
        if canonical(label) != label:
            renamed[label] = canonical(label)
        if path is None:
            missing = ReadError(
                code="file_missing",
                rule=f"every image listed in {TABLE} must exist",
                got="this one does not",
                remedy="add it",
            )
            skipped.append(Failure(str(root / _IMAGES / row["number"]), missing))
            continue
        try:
            open_file(path)
        except ReadError as error:
            skipped.append(Failure(str(path), error))
            continue
        patient = row.get("person") or row.get("patient") or ""
        fold_number = int(fold) if fold else None
        records.append(Record(path, canonical(label), patient, fold=fold_number, digest=file_digest(path)))
        if progress is not None:
            progress(done, len(rows), "scanning")
    if not records:
        raise DataError(
            code="annotations_match_nothing",
            rule=f"{table} must list images of {root / _IMAGES}",
            got=f"none of its {len(rows)} rows does",
            remedy="check the numbers",
        )
    return Scan(root, "annotations", tuple(records), renamed, tuple(skipped))
