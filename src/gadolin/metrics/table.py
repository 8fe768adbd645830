"""The table of predictions and ground truth, the input of every metric."""

from __future__ import annotations

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.files.atomic import write_bytes
from gadolin.metrics.decisions import Decisions, read_decisions
from gadolin.splits import SUBSETS

__all__ = ["Table", "read_table", "write_table"]

_COLUMNS = ("path", "digest", "group", "part", "label", "predicted")
_PREFIX = "p_"
_SUM_TOLERANCE = 1e-4
_OLDER_PARTS = dict(zip(("copied", "patient-shared", "slice-new", "patient-new"), SUBSETS, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """N rows of predictions and ground truth, for K classes.

    ``probabilities`` is (N, K) float64 in [0, 1], each row sums to 1; ``truth`` is (N,) int64, indices into
    ``classes``. ``groups`` is the unit that intervals resample: the patient, else the copy group, else the path.
    ``parts`` holds "" or the subset of a row (``gadolin.splits.SUBSETS``); ``digests`` the SHA-256 of each file, or "".
    ``decisions`` are those of ``gadolin predict``, None in tables of earlier versions. The arrays are copied and made
    read-only.

    Raises DataError where shapes, ranges, sums or lengths do not fit, or there is no row.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float64]
    truth: NDArray[np.int64]
    paths: tuple[str, ...]
    groups: tuple[str, ...]
    parts: tuple[str, ...]
    digests: tuple[str, ...]
    decisions: Decisions | None = None

    def __post_init__(self) -> None:
        """Copy and check the fields."""
        truth = np.array(self.truth)
        if truth.size and not np.issubdtype(truth.dtype, np.integer):
            raise DataError(
                code="truth_out_of_range",
                rule="truth must hold indices of classes",
                got=f"got {truth.dtype}",
                remedy="give integers from 0",
            )
        probabilities = np.array(self.probabilities, dtype=np.float64)
        truth = truth.astype(np.int64)
        for array in (probabilities, truth):
            array.setflags(write=False)
        object.__setattr__(self, "probabilities", probabilities)
        object.__setattr__(self, "truth", truth)
        _check_classes(self.classes)
        _check_shapes(self)
        _check_numbers(self)

    def __len__(self) -> int:
        """Return the number of rows, N."""
        return len(self.truth)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Index of the most probable class, (N,) int64; the first of ties."""
        return np.asarray(self.probabilities.argmax(axis=1), dtype=np.int64)

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Probability of the predicted class, (N,) float64 in [1/K, 1]."""
        top: NDArray[np.float64] = self.probabilities.max(axis=1)
        return top

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each row is classified correctly, (N,) bool."""
        right: NDArray[np.bool_] = self.predicted == self.truth
        return right

    def only(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Table:
        """Return the rows selected by a mask (N,) bool or indices (M,) int64; DataError if there is none."""
        chosen = np.arange(len(self))[rows]
        return Table(
            classes=self.classes,
            probabilities=self.probabilities[chosen],
            truth=self.truth[chosen],
            paths=tuple(self.paths[row] for row in chosen),
            groups=tuple(self.groups[row] for row in chosen),
            parts=tuple(self.parts[row] for row in chosen),
            digests=tuple(self.digests[row] for row in chosen),
            decisions=self.decisions and self.decisions.only(chosen),
        )

    def part(self, name: str) -> Table:
        """Return the rows of the part ``name``; DataError if there is none."""
        if name not in self.parts:
            known = ", ".join(repr(part) for part in sorted(set(self.parts)))
            raise DataError(
                code="part_empty",
                rule="a part must have rows",
                got=f"{name!r} has none",
                remedy=f"choose one of {known}",
            )
        return self.only(np.asarray([part == name for part in self.parts]))


def write_table(path: Path, table: Table) -> None:
    """Write ``table`` as CSV, atomically; gzipped where ``path`` ends in .gz.

    Columns: path, digest, group, part, label, predicted, the decisions if known (answer, abstained, reason_code and
    perhaps p_tumour and sequence), and one ``p_<class>`` per class, with all digits, so that reading restores the same
    table. The same table gives the same bytes. Raises OutputError where it cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n", quoting=_quoting(table))
    decided = table.decisions
    columns = decided.columns if decided else ()
    writer.writerow([*_COLUMNS, *columns, *(_PREFIX + name for name in table.classes)])
    names = zip(
        table.paths,
        table.digests,
        table.groups,
        table.parts,
        (table.classes[index] for index in table.truth),
        (table.classes[index] for index in table.predicted),
        strict=True,
    )
    for row, (words, numbers) in enumerate(zip(names, table.probabilities.tolist(), strict=True)):
        writer.writerow([*words, *(decided.cells(row) if decided else ()), *(repr(number) for number in numbers)])
    content = text.getvalue().encode("utf-8", "surrogateescape")
    write_bytes(path, gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)


def read_table(path: Path | str) -> Table:
    """Read a table written by :func:`write_table`, also one of an earlier version, without decisions.

    Older names of subsets, such as "copied", are converted.

    Raises:
        DataError: The file is missing, is not such a table, or holds invalid values.
    """
    path = Path(path)
    rows = _read_rows(path)
    for line, row in enumerate(rows[1:], start=2):
        if len(row) != len(rows[0]):
            raise DataError(
                code="predictions_row_incomplete",
                rule=f"a row must have {len(rows[0])} fields",
                got=f"row {line} of {path} has {len(row)}",
                remedy="write it again",
            )
    try:
        return _table(path, rows[0] if rows else [], rows[1:])
    except DataError as error:
        raise error.at(path) from error


def _table(path: Path, header: list[str], rows: list[list[str]]) -> Table:
    fixed = len(_COLUMNS)
    decisions, width = read_decisions(header[fixed:], [row[fixed:] for row in rows])
    classes = _read_classes(path, header, fixed + width)
    numbers, truth = [], []
    for line, row in enumerate(rows, start=2):
        probabilities, label = _read_row(f"row {line} of {path}", row[:fixed] + row[fixed + width :], classes)
        numbers.append(probabilities)
        truth.append(label)
    columns = list(zip(*(row[:4] for row in rows), strict=True)) or [()] * 4
    return Table(
        classes=classes,
        probabilities=np.asarray(numbers, dtype=np.float64).reshape(len(numbers), len(classes)),
        truth=np.asarray(truth, dtype=np.int64),
        paths=columns[0],
        groups=columns[2],
        parts=tuple(_OLDER_PARTS.get(part, part) for part in columns[3]),
        digests=columns[1],
        decisions=decisions,
    )


def _quoting(table: Table) -> Literal[0, 1]:
    # Before Python 3.13 a lone carriage return is written unquoted, and then read as the end of a line.
    fields = (*table.paths, *table.groups, *table.parts, *table.digests, *table.classes)
    return csv.QUOTE_ALL if any("\r" in field for field in fields) else csv.QUOTE_MINIMAL


def _read_rows(path: Path) -> list[list[str]]:
    try:
        content = path.read_bytes()
        if path.suffix == ".gz":
            content = gzip.decompress(content)
        text = content.decode("utf-8-sig", "surrogateescape")
        return list(csv.reader(io.StringIO(text, newline=""), strict=True))
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise DataError(
            code="predictions_unreadable",
            rule="predictions are read from a CSV table",
            got=f"{path} cannot be read ({why})",
            remedy="write it again",
        ) from error


def _read_classes(path: Path, header: list[str], start: int) -> tuple[str, ...]:
    """Return the classes of the header, whose columns begin at ``start``."""
    fixed, rest = tuple(header[: len(_COLUMNS)]), header[start:]
    if fixed != _COLUMNS or not rest or not all(name.startswith(_PREFIX) for name in rest):
        raise DataError(
            code="predictions_column_missing",
            rule=f"a table of predictions has the columns {', '.join((*_COLUMNS, f'{_PREFIX}<class>...'))}",
            got=f"{path} has {', '.join(header) or 'none'}",
            remedy="write it again with gadolin evaluate",
        )
    return tuple(name.removeprefix(_PREFIX) for name in rest)


def _read_row(where: str, row: list[str], classes: tuple[str, ...]) -> tuple[list[float], int]:
    label, predicted = row[4:6]
    for name in (label, predicted):
        if name not in classes:
            raise DataError(
                code="class_unknown",
                rule=f"a label must be one of {', '.join(classes)}",
                got=f"{where} has {name!r}",
                remedy="correct it",
            )
    try:
        numbers = [float(field) for field in row[len(_COLUMNS) :]]
    except ValueError as error:
        raise DataError(
            code="not_probabilities",
            rule="probabilities must be numbers",
            got=f"{where} has {', '.join(row[len(_COLUMNS) :])}",
            remedy="write it again",
        ) from error
    if numbers.index(max(numbers)) != classes.index(predicted):
        raise DataError(
            code="predictions_inconsistent",
            rule="'predicted' must be the most probable class",
            got=f"{where} has {predicted!r}",
            remedy="write it again",
        )
    return numbers, classes.index(label)


def _check_classes(classes: tuple[str, ...]) -> None:
    if len(classes) < 2 or len(set(classes)) != len(classes) or not all(classes):
        raise DataError(
            code="classes_not_distinct", rule="classes must be at least two different names", got=f"got {classes!r}"
        )


def _check_shapes(table: Table) -> None:
    rows = len(table.paths)
    if rows == 0:
        raise DataError(
            code="predictions_empty", rule="a table of predictions needs at least one row", remedy="choose other slices"
        )
    expected = (rows, len(table.classes))
    if table.probabilities.shape != expected or table.truth.shape != (rows,):
        raise DataError(
            code="shape_mismatch",
            rule=f"probabilities must be (rows, classes) {expected} and truth ({rows},)",
            got=f"got {table.probabilities.shape} and {table.truth.shape}",
            remedy="give one row of each per path",
        )
    _check_decisions(table)
    for name in ("groups", "parts", "digests"):
        count = len(getattr(table, name))
        if count != rows:
            raise DataError(
                code="shape_mismatch",
                rule=f"{name} must have one entry per row",
                got=f"got {count} for {rows} rows",
                remedy="give '' where unknown",
            )
    if not all(table.groups):
        row = table.groups.index("")
        raise DataError(
            code="predictions_group_missing",
            rule="each row needs a group",
            got=f"row {row} has none",
            remedy="give its patient, else copy group, else path",
        )


def _check_decisions(table: Table) -> None:
    if table.decisions is None:
        return
    unknown = {*table.decisions.labels} - {"", *table.classes}
    if unknown or len(table.decisions.labels) != len(table.paths):
        raise DataError(
            code="class_unknown" if unknown else "shape_mismatch",
            rule="decisions must have one entry per row, a class of the table or an abstention",
            got=f"got {min(unknown)!r}"
            if unknown
            else f"got {len(table.decisions.labels)} for {len(table.paths)} rows",
            remedy="give the decisions on these rows",
        )


def _check_numbers(table: Table) -> None:
    values = table.probabilities
    sums = np.where(np.isfinite(values), values, np.inf).sum(axis=1)
    wrong = (np.abs(sums - 1) > _SUM_TOLERANCE) | (values < 0).any(axis=1)
    if wrong.any():
        row = int(wrong.argmax())
        got = ", ".join(f"{value:.6g}" for value in values[row])
        raise DataError(
            code="not_probabilities",
            rule="probabilities must lie in 0 to 1 and sum to 1",
            got=f"row {row} has {got}",
            remedy="give softmax outputs",
        )
    outside = (table.truth < 0) | (table.truth >= len(table.classes))
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            code="truth_out_of_range",
            rule=f"truth must be an index from 0 to {len(table.classes) - 1}",
            got=f"row {row} has {table.truth[row]}",
            remedy="use the class order of the table",
        )
