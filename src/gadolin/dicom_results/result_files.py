"""Write the objects of results to a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from gadolin.dicom_results.entry import ResultEntry
from gadolin.dicom_results.objects import ResultObject
from gadolin.errors import DataError
from gadolin.files.atomic import write_bytes

__all__ = ["write_objects"]


def write_objects(objects: Iterable[ResultObject], folder: Path) -> Iterator[ResultEntry]:
    """Write objects to a folder, one at a time, and yield what was written; a file with the same bytes stays.

    Raises DataError if a file of the same name has other bytes.
    """
    for one in objects:
        path = folder / one.name
        is_new = not path.is_file()
        if is_new:
            write_bytes(path, one.content)
        elif path.read_bytes() != one.content:
            raise DataError(
                code="results_differ",
                rule="an object with the same UID must have the same bytes",
                got=f"{path} has others",
                remedy="move it away, or write to another folder",
            )
        yield one.entry(is_new=is_new, path=path)
