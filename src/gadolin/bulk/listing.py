"""The files of a job: of folders, patterns and manifests, on this computer or in an object store."""

from __future__ import annotations

import csv
import glob
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath

from gadolin.bulk.packages import require
from gadolin.bulk.storage import find, is_address
from gadolin.errors import DataError
from gadolin.files.folder_walk import walk
from gadolin.files.paths import NOTHING, matching, nothing_found
from gadolin.records import Failure, Omitted

__all__ = ["Partition", "files_of", "partitions"]

_COLUMN = "path"


@dataclass(frozen=True, slots=True, eq=False)
class Partition:
    """Consecutive files of a job: paths, addresses, or a Failure for what a folder holds besides readable files.

    ``number`` counts from 0.
    """

    number: int
    files: tuple[str | Failure, ...]

    def __str__(self) -> str:
        """Return the number and the first file."""
        first = self.files[0]
        return f"partition {self.number}, which starts with {first.path if isinstance(first, Failure) else first}"

    @property
    def digest(self) -> str:
        """SHA-256 of the names of the files, by which a finished partition is recognised."""
        total = hashlib.sha256()
        for one in self.files:
            name = f"{one.path}\0{one.code}" if isinstance(one, Failure) else one
            total.update(name.encode(errors="surrogateescape") + b"\0\0")
        return total.hexdigest()


def partitions(files: Iterable[str | Failure], size: int) -> Iterator[Partition]:
    """Yield the files in partitions of ``size``; the last one may be smaller."""
    waiting = iter(files)
    number = 0
    while chunk := tuple(islice(waiting, size)):
        yield Partition(number, chunk)
        number += 1


def files_of(paths: Sequence[str], manifest: str | None = None) -> Iterator[str | Failure]:
    """Yield the files of ``paths`` and of a manifest, in an order that does not change.

    A path is a file, a folder, which is searched recursively, or a glob pattern; each also at an address such as
    ``s3://bucket/folder``. What a folder holds besides readable files is yielded as a Failure, or as ``Omitted`` if it
    is no error. A manifest is a CSV or Parquet file, or a folder of Parquet files, with the column ``path``; relative
    paths are relative to its folder. Raises RequestError if a path has no file, DataError for an unusable manifest.
    """
    for path in paths:
        yield from _nonempty(find(path) if is_address(path) else _local(path), path)
    if manifest is not None:
        yield from _nonempty(_of_manifest(manifest), manifest)


def _local(path: str) -> Iterator[str | Failure]:
    if Path(path).is_dir():
        seen = walk(Path(path))
        yield from map(str, seen.files)
        yield from seen.failures
        yield from _omitted(seen.left_out)
    elif glob.has_magic(path) and not Path(path).exists():
        found = matching(path)
        yield from found.files
        yield from _omitted(found.left_out)
    else:
        yield path


def _omitted(left_out: Iterable[Failure]) -> Iterator[Omitted]:
    return (Omitted(one.path, one.error, one.frame) for one in left_out)


def _nonempty(files: Iterable[str | Failure], source: str) -> Iterator[str | Failure]:
    """Yield the files; raises RequestError if there are none."""
    number = 0
    for number, one in enumerate(files, start=1):  # noqa: B007
        if isinstance(one, Failure) and one.code == NOTHING:
            raise one.error
        yield one
    if not number:
        raise nothing_found(source)


def _of_manifest(manifest: str) -> Iterator[str]:
    home = PurePosixPath(Path(manifest).parent.as_posix()) if not is_address(manifest) else None
    for path in _csv_column(manifest) if manifest.endswith(".csv") else _parquet_column(manifest):
        if is_address(path) or home is None or PurePosixPath(path).is_absolute():
            yield path
        else:
            yield str(home / path)


def _csv_column(manifest: str) -> Iterator[str]:
    try:
        with Path(manifest).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            _require_column(manifest, rows.fieldnames or ())
            for row in rows:
                yield _path(manifest, rows.line_num, row[_COLUMN])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(manifest, error) from error


def _parquet_column(manifest: str) -> Iterator[str]:
    require("pyarrow")
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        table = ds.dataset(manifest, format="parquet")
        _require_column(manifest, table.schema.names)
        row = 0
        for batch in table.to_batches(columns=[_COLUMN], batch_size=65536):
            for value in batch.column(0).to_pylist():
                row += 1
                yield _path(manifest, row, value)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(manifest, error) from error


def _path(manifest: str, row: int, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(
            code="manifest_path_empty",
            rule=f"row {row}: the column {_COLUMN} must hold a path",
            got=f"it holds {value!r}",
            path=manifest,
        )
    return value.strip()


def _require_column(manifest: str, columns: Sequence[str]) -> None:
    if _COLUMN not in columns:
        raise DataError(
            code="manifest_column_missing",
            rule=f"a listing must have the column {_COLUMN}",
            got=f"it has {', '.join(columns) or 'none'}",
            remedy=f"rename the column of the paths to {_COLUMN}",
            path=manifest,
        )


def _unreadable(manifest: str, error: Exception) -> DataError:
    return DataError(
        code="manifest_unreadable",
        rule="a listing must be a UTF-8 CSV or Parquet",
        got=f"this one is not ({error})",
        remedy="check the path",
        path=manifest,
    )
