"""Write the objects of results to a folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from gadolin.dicom_results.objects import ResultObject
from gadolin.errors import DataError
from gadolin.files.atomic import write_bytes

__all__ = ["Written", "write_objects"]


class Written(NamedTuple):
    """A file of the results, and whether it is new: its kind, path, and UIDs."""

    kind: str
    path: Path
    is_new: bool
    instance: str
    series: str

    def as_json(self) -> dict[str, object]:
        """Return the file as the JSON object of ``gadolin results --json``."""
        uids = {"sop_instance_uid": self.instance, "series_instance_uid": self.series}
        return {"kind": self.kind, "path": str(self.path), **uids, "new": self.is_new}


def write_objects(objects: Iterable[ResultObject], folder: Path) -> Iterator[Written]:
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
        yield Written(one.kind, path, is_new, str(one.dataset.SOPInstanceUID), str(one.dataset.SeriesInstanceUID))
