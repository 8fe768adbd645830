"""Read the slices of many records in parallel, opening each file once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from gadolin.errors import ReadError
from gadolin.pool import thread_pool
from gadolin.readers import naming, one_of, open_file
from gadolin.readers.contents import Contents
from gadolin.records import Record, Slice

__all__ = ["each_slice"]

Result = TypeVar("Result")


def each_slice(
    records: Sequence[Record],
    work: Callable[[int, Slice, str], Result],
    errors: dict[int, ReadError] | None = None,
) -> Iterator[Result]:
    """Yield ``work(index, slice, kind)`` for every record, grouped by file; files in order of first appearance.

    ``kind`` is the format of the file, such as "PNG". ``work`` runs in several threads. An unreadable slice raises
    ReadError with the path of its file. If ``errors`` is given, the error is stored there instead, under the index of
    the record, and reading continues. An exception in ``work`` is passed on. No further work starts after an exception.
    """
    files = _by_file(records)

    def work_file(path: Path) -> list[Result]:
        try:
            contents = open_file(path)
        except ReadError as error:
            _refuse(dict.fromkeys(files[path], error), errors)
            return []
        return [work(index, image, contents.kind) for index, image in _decoded(contents, records, files[path], errors)]

    with thread_pool() as pool:
        for results in pool.map(work_file, files):
            yield from results


def _by_file(records: Sequence[Record]) -> dict[Path, list[int]]:
    files: dict[Path, list[int]] = {}
    for index, record in enumerate(records):
        files.setdefault(record.path, []).append(index)
    return files


def _decoded(
    contents: Contents, records: Sequence[Record], rows: Sequence[int], errors: dict[int, ReadError] | None
) -> Iterator[tuple[int, Slice]]:
    for index in rows:
        try:
            with naming(records[index].path):
                image = one_of(contents, records[index].frame)
        except ReadError as error:
            _refuse({index: error}, errors)
            continue
        yield index, image


def _refuse(found: dict[int, ReadError], errors: dict[int, ReadError] | None) -> None:
    """Add the errors ``found``, by index, to ``errors``; raise the first of them if ``errors`` is None."""
    if errors is None:
        raise next(iter(found.values()))
    errors.update(found)
