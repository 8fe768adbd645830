"""Pictures in one folder and a table beside it: ``images/N.jpg`` and ``annotations.csv``."""

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
    """Return whether ``root`` holds a table of annotations and the folder of its pictures."""
    return os.path.isfile(root / TABLE) and os.path.isdir(root / _IMAGES)  # noqa: PTH112, PTH113  # which never raise


def scan_annotated(root: Path, *, progress: Progress | None = None) -> Scan:
    """Scan such a folder: the class, the patient (column ``person``, else ``patient``) and the fold of each picture.

    The columns ``number`` and ``label`` are required, others passed over. A row whose picture is missing or
    unreadable is skipped, and said so. Raises DataError where the table is none, or names no picture that is there.
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
                rule="every row must have a label, and a whole fold or none",
                got=f"{row['number']} has not",
                remedy="correct it",
                path=table,
            )
        if canonical(label) != label:
            renamed[label] = canonical(label)
        if path is None:
            missing = ReadError(
                code="file_missing",
                rule=f"every picture that {TABLE} names must be there",
                got="this one is not",
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
            rule=f"{table} must name pictures of {root / _IMAGES}",
            got=f"none of its {len(rows)} rows does",
            remedy="check the numbers",
        )
    return Scan(root, "annotations", tuple(records), renamed, tuple(skipped))
