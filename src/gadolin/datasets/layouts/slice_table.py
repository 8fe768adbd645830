"""Layout of images with a table ``slices.csv``: path, class, patient, institution, sequence and outline of each."""

from __future__ import annotations

import os
from pathlib import Path

from gadolin.datasets.labels import canonical
from gadolin.datasets.layouts.tables import read_rows
from gadolin.datasets.manifest import file_digest
from gadolin.datasets.scan_result import Scan
from gadolin.errors import DataError, ReadError
from gadolin.progress import Progress
from gadolin.readers import open_file
from gadolin.records import NO_LESION, SEQUENCES, Failure, Record

__all__ = ["TABLE", "has_slice_table", "scan_slice_table"]

TABLE = "slices.csv"
_REQUIRED = ("path", "label")


def has_slice_table(root: Path) -> bool:
    """Return whether ``root`` holds such a table."""
    return os.path.isfile(root / TABLE)  # noqa: PTH113  # this never raises


def scan_slice_table(root: Path, *, progress: Progress | None = None) -> Scan:
    """Scan such a folder: path and class of each image, and the other columns if present.

    Paths are relative to the folder or to its parent, whichever contains the files. An outline is the path of a mask,
    "none" for a slice without a lesion, or empty. Unknown columns are ignored. A row whose image is missing or
    unreadable becomes an error of the scan. Raises DataError if the table is invalid.
    """
    table = root / TABLE
    rows = read_rows(table, _REQUIRED)
    base = next((one for one in (root, root.parent) if any((one / row["path"]).is_file() for row in rows)), root)
    renamed: dict[str, str] = {}
    records: list[Record] = []
    skipped: list[Failure] = []
    for done, row in enumerate(rows, start=1):
        path = base / row["path"]
        _check_row(table, row)
        if canonical(row["label"]) != row["label"]:
            renamed[row["label"]] = canonical(row["label"])
        try:
            open_file(path)
        except ReadError as error:
            skipped.append(Failure(str(path), error))
        else:
            outline = row.get("outline") or ""
            records.append(
                Record(
                    path=path,
                    label=canonical(row["label"]),
                    patient=row.get("patient") or "",
                    source=root.resolve().name,
                    outline=outline if outline in ("", NO_LESION) else str(_outline(table, base / outline)),
                    digest=file_digest(path),
                    sequence=row.get("sequence") or "",
                    institution=row.get("institution") or "",
                )
            )
        if progress is not None:
            progress(done, len(rows), "scanning")
    if not records:
        raise DataError(
            code="annotations_match_nothing",
            rule=f"{table} must list images of {base}",
            got=f"none of its {len(rows)} rows does",
            remedy=str(skipped[0]) if skipped else "add rows",
        )
    return Scan(root, "annotations", tuple(records), renamed, tuple(skipped))


def _check_row(table: Path, row: dict[str, str]) -> None:
    sequence = row.get("sequence") or ""
    if not row["path"] or not row["label"] or sequence not in ("", *SEQUENCES):
        raise DataError(
            code="annotations_row_invalid",
            rule=f"every row must have a path, a label, and as sequence one of {', '.join(SEQUENCES)} or none",
            got=f"{row['path'] or 'one'} has {row['label']!r} and {sequence!r}",
            remedy="correct it",
            path=table,
        )


def _outline(table: Path, path: Path) -> Path:
    if not os.path.isfile(path):  # noqa: PTH113
        raise DataError(
            code="outline_missing",
            rule="every outline must be a file",
            got=f"{path} is not",
            remedy=f"correct it, leave it empty, or write {NO_LESION!r} where the slice shows no lesion",
            path=table,
        )
    return path
