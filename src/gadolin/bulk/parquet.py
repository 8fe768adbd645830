"""Predictions as Parquet: one row for each slice, and one for each file without a prediction."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gadolin.files.atomic import replacing
from gadolin.records import Failure, Omitted, Prediction

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["FAILED", "LEFT_OUT", "PREDICTED", "read_facts", "schema", "write_rows"]

PREDICTED, FAILED, LEFT_OUT = "predicted", "failed", "left_out"
_KEY = b"gadolin"


def schema(classes: Sequence[str]) -> pa.Schema:
    """Return the columns of the answers of a model with these classes.

    They are the fields of ``Prediction.as_json``, ``p_<class>`` in place of ``probabilities``, and: ``digest``, the
    SHA-256 of the file, null if it was not read; ``outcome``, one of PREDICTED, FAILED and LEFT_OUT; ``code`` and
    ``error`` of a file without a prediction.
    """
    import pyarrow as pa

    text, number, yes_no, whole = pa.string(), pa.float64(), pa.bool_(), pa.int64()
    series = pa.struct(
        [
            ("key", text),
            ("number", whole),
            ("description", text),
            ("position_mm", number),
            ("instance", whole),
        ]
    )
    return pa.schema([
        ("path", text), ("frame", pa.int32()), ("digest", text), ("outcome", text),
        ("label", text), ("abstained", yes_no), ("reason_code", text), ("reason", text),
        *((f"p_{name}", number) for name in classes),
        ("p_tumour", number), ("sequence", text), ("header_sequence", text), ("validated", yes_no),
        ("series", series), ("orientation", text), ("spacing_mm", pa.list_(number)), ("model", text),
        ("code", text), ("error", text),
    ])  # fmt: skip


def write_rows(
    path: Path,
    results: Sequence[Prediction | Failure],
    digests: Mapping[str, str],
    classes: Sequence[str],
    facts: Mapping[str, object],
) -> None:
    """Write results as Parquet, atomically, with the SHA-256 of files by path and with ``facts`` beside them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = schema(classes)
    table = pa.Table.from_pylist([_row(one, digests) for one in results], columns)
    table = table.replace_schema_metadata({_KEY: json.dumps(facts).encode()})
    with replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts beside the rows of a file; empty if it has none or is no Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        metadata = pq.read_metadata(path).metadata or {}
        found = json.loads(metadata.get(_KEY, b"{}"))
    except (OSError, pa.ArrowException, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _row(one: Prediction | Failure, digests: Mapping[str, str]) -> dict[str, object]:
    same = {"path": _text(one.path), "frame": one.frame, "digest": digests.get(one.path)}
    if isinstance(one, Failure):
        outcome = LEFT_OUT if isinstance(one, Omitted) else FAILED
        return {**same, "outcome": outcome, "code": one.code, "error": one.reason}
    return {
        **same,
        "outcome": PREDICTED,
        **one.verdict_json(),
        **{f"p_{name}": value for name, value in one.probabilities.items()},
        "series": None if one.series is None else asdict(one.series),
        "orientation": one.orientation,
        "spacing_mm": one.spacing_mm,
        "model": one.model,
    }


def _text(path: str) -> str:
    """Return a path whose bytes that are not UTF-8 are escaped, which Parquet requires."""
    return path.encode(errors="surrogateescape").decode(errors="backslashreplace")
