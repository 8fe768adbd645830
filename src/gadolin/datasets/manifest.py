"""Read, write and check manifests: CSV tables of records, one row per slice."""

from __future__ import annotations

import csv
import hashlib
import io
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path

from gadolin.errors import DataError, suggestion
from gadolin.files.atomic import write_text
from gadolin.records import NO_LESION, SEQUENCES, Failure, Record, slice_name

__all__ = ["COLUMNS", "SPLITS", "file_digest", "manifest_digest", "read_manifest", "write_manifest"]

COLUMNS = tuple(field.name for field in fields(Record))
SPLITS = ("", "train", "validation", "test")
_REQUIRED = ("path", "label")
_OF_ONE_FILE = ("manifest_file_missing", "cannot_open")


def read_manifest(path: Path, *, verify: bool = True, failures: list[Failure] | None = None) -> list[Record]:
    """Read a manifest; paths are relative to its folder.

    Columns: ``path,label,patient,group,source,split,fold,outline,digest,frame,sequence,institution``, the first two
    required. A given digest is compared with the file, a missing one is computed; without ``verify``, files are not
    opened. Raises DataError with row and rule. If ``failures`` is given and another row is valid, a row whose file is
    missing or cannot be opened is added there instead.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            code="manifest_unreadable",
            rule="a manifest must be a readable UTF-8 CSV",
            got=f"{path} is not ({error})",
            remedy="check the path",
        ) from error
    rows = csv.DictReader(io.StringIO(text))
    try:
        _check_columns(path, rows.fieldnames or ())
        digest = cache(file_digest) if verify else None
        records = []
        for row in rows:
            try:
                records.append(_record(path, rows.line_num, row, digest))
            except DataError as error:
                if failures is None or error.code not in _OF_ONE_FILE or not row["path"]:
                    raise error.at(path) from error
                failures.append(Failure(str(path.parent / row["path"].strip()), error.at(path)))
    except csv.Error as error:
        raise DataError(
            code="manifest_not_csv",
            rule=f"row {rows.line_num + 1}: every row must be CSV",
            path=path,
            got=f"this one is not ({error})",
            remedy="check its quotes",
        ) from error
    if not records and failures:
        raise failures[0].error
    if not records:
        raise DataError(
            code="manifest_empty",
            rule="a manifest must have one row or more",
            got=f"{path} has none",
            remedy="add rows",
        )
    return records


def write_manifest(path: Path, records: Iterable[Record]) -> None:
    """Write ``records`` with all columns; paths inside the folder of the manifest are relative, others absolute."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    base = path.parent.resolve()

    def shown(file: Path) -> str:
        where = file.resolve()
        return (where.relative_to(base) if where.is_relative_to(base) else where).as_posix()

    for record in records:
        fold = "" if record.fold is None else record.fold
        outline = shown(Path(record.outline)) if record.outlined else record.outline
        frame = "" if record.frame is None else record.frame
        facts = (record.patient, record.group, record.source, record.split, fold, outline, record.digest, frame)
        rows.writerow((shown(record.path), record.label, *facts, record.sequence, record.institution))
    write_text(path, out.getvalue())


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's bytes as lower-case hex."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(
            code="cannot_open",
            rule=f"cannot be opened ({error.strerror or error})",
            remedy="check the path and its permissions",
            path=path,
        ) from error


def manifest_digest(records: Iterable[Record]) -> str:
    """Return a digest of the training data: bytes, label, patient, split, sequence and institution of each slice."""
    total = hashlib.sha256()
    for record in records:
        fold = "" if record.fold is None else str(record.fold)
        digest = slice_name(record.digest, record.frame)
        row: tuple[str, ...] = (digest, record.label, record.patient, record.group, record.split, fold)
        if record.sequence or record.institution:
            row = (*row, record.sequence, record.institution)
        total.update("\x1f".join(row).encode() + b"\n")
    return total.hexdigest()


def _check_columns(path: Path, columns: Sequence[str]) -> None:
    missing = [name for name in _REQUIRED if name not in columns]
    if missing:
        got = ", ".join(columns) or "nothing"
        raise DataError(
            code="manifest_column_missing",
            rule="a manifest must have the columns path and label",
            got=f"{path} has {got}",
            remedy=f"add {' and '.join(missing)}",
        )
    for name in columns:
        if name not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise DataError(
                code="manifest_column_unknown",
                rule=f"unknown column {name!r}{suggestion(name, COLUMNS)}",
                remedy=f"a manifest may have {known}",
                path=path,
            )


def _record(path: Path, number: int, row: dict[str, str], digest_of: Callable[[Path], str] | None) -> Record:
    """Return a row as a record; ``digest_of``, if given, checks the file and its digest.

    Raises DataError with the row but without the path of the manifest.
    """
    values = {name: (row.get(name) or "").strip() for name in COLUMNS}
    where = path.parent / values["path"]
    if not values["path"] or (digest_of and not os.path.isfile(where)):  # noqa: PTH113  # this never raises
        raise DataError(
            code="manifest_file_missing",
            rule=f"row {number}: every path must be a file",
            got=f"{values['path']!r} is not",
            remedy="correct it or remove the row",
        )
    _check_values(number, values)
    digest = digest_of(where) if digest_of else values["digest"]
    if values["digest"] and values["digest"] != digest:
        raise DataError(
            code="file_changed",
            rule=f"row {number}: every file must match its digest",
            got=f"{where} has changed since it was written",
            remedy="fetch it again or clear the digest",
        )
    return Record(
        path=where,
        label=values["label"],
        patient=values["patient"],
        group=values["group"],
        source=values["source"],
        split=values["split"],
        fold=int(values["fold"]) if values["fold"] else None,
        outline=_outline(path, number, values["outline"], verify=digest_of is not None),
        digest=digest,
        frame=int(values["frame"]) if values["frame"] else None,
        sequence=values["sequence"],
        institution=values["institution"],
    )


def _check_values(number: int, values: Mapping[str, str]) -> None:
    """Raise DataError with the row if its label is missing or another value is invalid."""
    if not values["label"]:
        raise DataError(
            code="manifest_value_invalid",
            rule=f"row {number}: every row must have a label",
            got="this one has none",
            remedy="add it or remove the row",
        )
    for name, known in (("split", SPLITS), ("sequence", ("", *SEQUENCES))):
        if values[name] not in known:
            raise DataError(
                code="manifest_value_invalid",
                rule=f"row {number}: {name} must be {', '.join(known[1:])} or empty",
                got=f"got {values[name]!r}{suggestion(values[name], known[1:])}",
                remedy="correct it",
            )
    for name in ("fold", "frame"):
        if values[name] and not values[name].isdecimal():
            got = values[name]
            raise DataError(
                code="manifest_value_invalid",
                rule=f"row {number}: {name} must be a whole number from 0 or empty",
                got=f"got {got!r}",
                remedy="correct it",
            )


def _outline(path: Path, number: int, outline: str, *, verify: bool) -> str:
    """Return the path of an outline relative to the working folder; raises DataError if the file is missing."""
    if outline in ("", NO_LESION):
        return outline
    where = path.parent / outline
    if verify and not os.path.isfile(where):  # noqa: PTH113
        raise DataError(
            code="manifest_file_missing",
            rule=f"row {number}: every outline must be a file",
            got=f"{outline!r} is not",
            remedy=f"correct it, leave it empty, or write {NO_LESION!r} where the slice shows no lesion",
        )
    return str(where)
