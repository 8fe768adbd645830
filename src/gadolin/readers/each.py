"""The slices of many records: every file is opened once, several at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from gadolin.errors import ReadError
from gadolin.pool import thread_pool
from gadolin.readers import naming, one_of, open_file
from gadolin.readers.contents import Contents
from gadolin.records import Record, Slice

__all__ = ["each_slice", "unreadable"]

Result = TypeVar("Result")


def each_slice(records: Sequence[Record], work: Callable[[int, Slice], Result]) -> Iterator[Result]:
    """Yield ``work(index, slice)`` for every record, file by file in the order in which the files first appear.

    ``work`` runs in several threads. Raises ReadError naming the file that cannot be read, or what ``work`` raises;
    nothing more is begun then.
    """
    files = _by_file(records)

    def work_file(path: Path) -> list[Result]:
        contents = open_file(path)
        return [work(index, _decoded(contents, records[index])) for index in files[path]]

    with thread_pool() as pool:
        for results in pool.map(work_file, files):
            yield from results


def _by_file(records: Sequence[Record]) -> dict[Path, list[int]]:
    files: dict[Path, list[int]] = {}
    for index, record in enumerate(records):
        files.setdefault(record.path, []).append(index)
    return files


def _decoded(contents: Contents, record: Record) -> Slice:
    with naming(record.path):
        return one_of(contents, record.frame)


def unreadable(records: Sequence[Record]) -> dict[int, ReadError]:
    """Return the numbers of the records whose slice cannot be read, and why; decodes every one, file by file."""
    files = _by_file(records)

    def reasons(path: Path) -> dict[int, ReadError]:
        found = {}
        try:
            contents = open_file(path)
        except ReadError as error:
            return dict.fromkeys(files[path], error)
        for index in files[path]:
            try:
                one_of(contents, records[index].frame)
            except ReadError as error:
                found[index] = error
        return found

    with thread_pool() as pool:
        bad = {index: why for each in pool.map(reasons, files) for index, why in each.items()}
    return dict(sorted(bad.items()))
