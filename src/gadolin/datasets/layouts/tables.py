"""CSV tables with a header that accompany images."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from gadolin.errors import DataError

__all__ = ["read_rows"]


def read_rows(table: Path, required: tuple[str, ...]) -> list[dict[str, str]]:
    """Return the rows of a CSV file as stripped values by column name.

    Raises DataError if the file is not readable UTF-8 CSV, or lacks a ``required`` column.
    """
    try:
        rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8-sig")))
        missing = [name for name in required if name not in (rows.fieldnames or ())]
        if missing:
            got = ", ".join(rows.fieldnames or ()) or "nothing"
            raise DataError(
                code="annotations_column_missing",
                rule=f"{table} must have the columns {' and '.join(required)}",
                got=f"it has {got}",
                remedy=f"add {' and '.join(missing)}",
            )
        return [{name: (value or "").strip() for name, value in row.items() if name is not None} for row in rows]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(
            code="annotations_unreadable",
            rule=f"{table} must be a readable UTF-8 CSV",
            got=f"it is not ({error})",
            remedy="check its encoding and quotes",
        ) from error
