"""Pictures in one folder and a table beside it: ``images/N.jpg`` and ``annotations.csv``."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path

from gadolin.errors import DataError, ReadError
from gadolin.manifest import file_digest
from gadolin.readers import open_file
from gadolin.records import Record
from gadolin.sources.found import Scan
from gadolin.sources.labels import canonical

__all__ = ["is_annotated", "scan_annotated"]

_TABLE, _IMAGES = "annotations.csv", "images"
_REQUIRED = ("number", "label")


def is_annotated(root: Path) -> bool:
    """Return whether ``root`` holds a table of annotations and the folder of its pictures."""
    return (root / _TABLE).is_file() and (root / _IMAGES).is_dir()


def scan_annotated(root: Path, *, progress: Callable[[int, int], None] | None = None) -> Scan:
    """Scan such a folder: the class, the patient (column ``person``, else ``patient``) and the fold of each picture.

    The columns ``number`` and ``label`` are required, others passed over. A row whose picture is missing or
    unreadable is skipped, and said so. Raises DataError where the table is none, or names no picture that is there.
    """
    table = root / _TABLE
    rows = _rows(table)
    pictures = {path.stem: path for path in sorted((root / _IMAGES).iterdir()) if path.is_file()}
    renamed: dict[str, str] = {}
    records: list[Record] = []
    skipped: list[tuple[Path, str]] = []
    for done, row in enumerate(rows, start=1):
        path = pictures.get(row["number"])
        label, fold = row["label"], row.get("fold") or ""
        if not label or (fold and not fold.isdecimal()):
            msg = f"{table}: every row must have a label, and a whole fold or none, {row['number']} has not; correct it"
            raise DataError(msg)
        if canonical(label) != label:
            renamed[label] = canonical(label)
        if path is None:
            skipped.append((root / _IMAGES / row["number"], f"{_TABLE} names it and it is not there; add the picture"))
            continue
        try:
            open_file(path)
        except ReadError as error:
            skipped.append((path, str(error).removeprefix(f"{path}: ")))
            continue
        patient = row.get("person") or row.get("patient") or ""
        fold_number = int(fold) if fold else None
        records.append(Record(path, canonical(label), patient, fold=fold_number, digest=file_digest(path)))
        if progress is not None:
            progress(done, len(rows))
    if not records:
        msg = f"{table} must name pictures of {root / _IMAGES}, none of its {len(rows)} rows does; check the numbers"
        raise DataError(msg)
    return Scan(root, "annotations", tuple(records), renamed, tuple(skipped))


def _rows(table: Path) -> list[dict[str, str]]:
    try:
        rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig")))
        missing = [name for name in _REQUIRED if name not in (rows.fieldnames or ())]
        if missing:
            got = ", ".join(rows.fieldnames or ()) or "nothing"
            msg = f"{table} must have the columns number and label, it has {got}; add {' and '.join(missing)}"
            raise DataError(msg)
        return [{name: (value or "").strip() for name, value in row.items() if name is not None} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        msg = f"{table} must be a readable UTF-8 CSV, it is not ({error}); check its encoding and quotes"
        raise DataError(msg) from error
