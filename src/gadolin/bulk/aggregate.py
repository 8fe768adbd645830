"""Sums of answers by patient, streamed from Parquet by DuckDB: neither answers nor labels are held in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gadolin.bulk.packages import require
from gadolin.bulk.parquet import FAILED, PREDICTED
from gadolin.errors import DataError
from gadolin.metrics.group_sums import GroupSums

__all__ = ["Labelled", "sums_by_patient"]

_MEMORY = "1GB"
_ROWS = 4_000_000  # joined at a time, so that a join fits into memory
_SUMS = ("brier", "nll", "answered", "correct")
_SMALLEST = float(np.finfo(np.float64).eps)
_KEYS = ("digest", "path")  # of labels, by which they are joined; the first that is there


@dataclass(frozen=True, slots=True)
class Labelled:
    """The sums of the labelled predictions, and what was not scored.

    ``without_label`` are predicted slices without a label, ``without_answer`` labels without a prediction, ``failed``
    the files of the answers that have an error.
    """

    sums: GroupSums
    without_label: int
    without_answer: int
    failed: int


def sums_by_patient(answers: Path, labels: Path) -> Labelled:
    """Return the sums of each patient.

    Args:
        answers: A folder of partitions, as ``predict_bulk`` writes it.
        labels: A Parquet or CSV file, or a folder of Parquet files, with ``label``, with ``digest`` or ``path``, by
            which it is joined to the answers, perhaps with ``patient``, and perhaps with ``frame`` for files of several
            slices. A slice without a patient is a group of its own.

    Raises:
        DataError: A file cannot be read or has other columns, a slice has two labels, a label is no class of the
            model, or no predicted slice has a label.
        MissingExtraError: DuckDB is not installed.
    """
    require("duckdb")
    with _database() as database, _reading(answers):
        classes = _open(database, answers, labels)
        failed = _count(database, f"answers WHERE outcome = '{FAILED}'")
        predicted = _count(database, "predictions")
        with _reading(labels):
            labelled = _count(database, "labels WHERE frame IS NOT NULL")  # all, but each frame must be a number
        passes = 1 + max(predicted, labelled) // _ROWS
        parts = (f"hash(key) % {passes} = {number}" for number in range(passes))
        without_answer = sum(_join(database, classes, part, labels) for part in parts)
        sums = _group_sums(database, classes, labels)
    return Labelled(sums, predicted - int(sums.confusion.sum()), without_answer, failed)


@contextmanager
def _database() -> Iterator[Any]:
    """Yield a database in memory that spills to a temporary folder."""
    import duckdb

    with tempfile.TemporaryDirectory() as folder:
        settings: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": _MEMORY,
            "temp_directory": folder,
            "preserve_insertion_order": "false",
            "autoinstall_known_extensions": "false",  # would download
            "autoload_known_extensions": "false",
        }
        database = duckdb.connect(config=settings)
        try:
            yield database
        finally:
            database.close()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise DataError with the path for an error of DuckDB in the block."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        raise DataError(
            code="table_unreadable",
            rule="answers must be a folder of Parquet files, and labels Parquet or CSV",
            got=f"this cannot be read ({str(error).splitlines()[0]})",
            remedy="check the path",
            path=path,
        ) from error


def _open(database: Any, answers: Path, labels: Path) -> tuple[str, ...]:
    """Make views ``answers``, ``predictions`` and ``labels`` and the table ``sums``; return the classes."""
    parts, given = _quoted(answers / "*.parquet"), _quoted(labels / "*.parquet" if labels.is_dir() else labels)
    columns = _columns(database, parts)
    classes = tuple(name.removeprefix("p_") for name in columns if name.startswith("p_") and name != "p_tumour")
    if not classes or "outcome" not in columns:
        raise _other_columns(answers, "answers must have the columns that gadolin predict --out writes", columns)
    with _reading(labels):
        there = _columns(database, given)
    key = next((name for name in _KEYS if name in there), None)
    if key is None or "label" not in there:
        raise _other_columns(labels, "labels must have the columns label, and digest or path", there)
    frame = "coalesce(CAST(frame AS INTEGER), -1)"
    patient = "CAST(patient AS VARCHAR)" if "patient" in there else "NULL"
    database.execute(f"CREATE VIEW answers AS SELECT *, {key} AS key FROM {parts}")
    database.execute(
        f"CREATE VIEW predictions AS SELECT * REPLACE ({frame} AS frame) FROM answers WHERE outcome = '{PREDICTED}'"
    )
    database.execute(
        f"CREATE VIEW labels AS SELECT CAST({key} AS VARCHAR) AS key, CAST(label AS VARCHAR) AS truth, "
        f"{frame if 'frame' in there else '-1'} AS frame, coalesce(nullif({patient}, ''), '\x1f' || {key}) AS patient "
        f"FROM {given}"
    )
    columns = [*(f"n{cell} DOUBLE" for cell in _cells(classes)), *(f"{name} DOUBLE" for name in _SUMS)]
    database.execute(f"CREATE TABLE sums (patient VARCHAR, {', '.join(columns)})")
    return classes


def _join(database: Any, classes: Sequence[str], part: str, labels: Path) -> int:
    """Join a part of the predictions and labels, and add the sums of each patient to the table ``sums``.

    Returns the number of labels without a prediction. Equal rows of labels count once, as byte-identical files have.

    Raises DataError for a slice with two labels and for a label that is no class.
    """
    database.execute(f"CREATE OR REPLACE TEMP TABLE part AS SELECT DISTINCT * FROM labels WHERE {part}")
    twice = database.execute("SELECT key FROM part GROUP BY key, frame HAVING count(*) > 1 LIMIT 1").fetchone()
    if twice is not None:
        raise DataError(
            code="labels_twice",
            rule="a slice must have one label",
            got=f"{twice[0]} has two that differ in label or patient",
            remedy="correct one, or add the column frame for files of several slices",
            path=labels,
        )
    other = database.execute(
        f"SELECT truth FROM part WHERE truth IS NULL OR truth NOT IN ({_listed(classes)}) LIMIT 1"
    ).fetchone()
    if other is not None:
        raise DataError(
            code="label_not_a_class",
            rule=f"a label must be one of {', '.join(classes)}",
            got=f"got {other[0]!r}",
            remedy="rename it",
            path=labels,
        )
    probabilities = f"[{', '.join(_named(f'p_{name}') for name in classes)}]"
    database.execute(
        f"""
        INSERT INTO sums
        WITH joined AS (
            SELECT patient, truth, label, list_position([{_listed(classes)}], truth) AS place, {probabilities} AS given
            FROM part JOIN (SELECT * FROM predictions WHERE {part}) USING (key, frame)
        ), scaled AS (
            SELECT *, list_transform(given, lambda one: one / list_sum(given)) AS p FROM joined
        ), scored AS (
            SELECT patient, label, truth, (place - 1) * {len(classes)} + list_position(p, list_max(p)) - 1 AS cell,
                list_sum(list_transform(p, lambda one: one * one)) - 2 * list_extract(p, place) + 1 AS brier,
                -ln(greatest(list_extract(p, place), {_SMALLEST!r})) AS nll
            FROM scaled
        )
        SELECT patient, {", ".join(f"count(*) FILTER (cell = {cell})" for cell in _cells(classes))},
            sum(brier), sum(nll), count(label), count(*) FILTER (label = truth)
        FROM scored GROUP BY patient
        """
    )
    return _count(database, f"part ANTI JOIN (SELECT * FROM predictions WHERE {part}) USING (key, frame)")


def _group_sums(database: Any, classes: Sequence[str], labels: Path) -> GroupSums:
    """Return the sums of all parts."""
    names = [f"n{cell}" for cell in _cells(classes)] + list(_SUMS)
    rows = database.execute(
        f"SELECT patient, {', '.join(f'sum({name}) AS {name}' for name in names)} FROM sums GROUP BY patient"
    ).fetchnumpy()
    if not len(rows["patient"]):
        raise DataError(
            code="no_label_fits",
            rule="a predicted slice must have a label",
            got="none has",
            remedy="give the digests or the same paths as the answers have",
            path=labels,
        )
    patients = rows["patient"].astype(str)
    order = np.argsort(patients)
    columns = [np.asarray(rows[name], np.float64)[order] for name in names]
    confusion = np.stack(columns[: len(classes) ** 2], axis=1).reshape(-1, len(classes), len(classes))
    return GroupSums(tuple(classes), patients[order].tolist(), confusion, *columns[len(classes) ** 2 :])


def _cells(classes: Sequence[str]) -> range:
    """Return the cells of the flattened confusion matrix."""
    return range(len(classes) ** 2)


def _columns(database: Any, source: str) -> list[str]:
    return [row[0] for row in database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()]


def _count(database: Any, rows: str) -> int:
    return int(database.execute(f"SELECT count(*) FROM {rows}").fetchone()[0])


def _quoted(text: Path | str) -> str:
    """Return a text as a literal of SQL."""
    return "'" + str(text).replace("'", "''") + "'"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(_quoted(name) for name in names)


def _named(column: str) -> str:
    """Return the name of a column in SQL."""
    return '"' + column.replace('"', '""') + '"'


def _other_columns(path: Path, rule: str, columns: Sequence[str]) -> DataError:
    return DataError(
        code="table_columns", rule=rule, got=f"got {', '.join(columns)}", remedy="check the path", path=path
    )
