"""Sequences that a table names, against those that the headers of the files tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from gadolin.errors import DataError, ReadError
from gadolin.readers import open_file
from gadolin.readers.file_types import HEAD, file_kind
from gadolin.records import Record

__all__ = ["require_header_sequences"]


def require_header_sequences(records: Iterable[Record]) -> None:
    """Raise DataError where a record's sequence is another than the header of its DICOM file tells.

    Files that cannot be read, and headers that tell none, are passed over here.
    """
    listed: dict[Path, list[Record]] = defaultdict(list)
    for record in records:
        if record.sequence:
            listed[record.path].append(record)
    wrong = [one for path, own in listed.items() for one in _contradicted(path, own)]
    if wrong:
        record, told = wrong[0]
        raise DataError(
            code="sequence_contradicts_header",
            rule="the sequence of a slice must be the one that the header of its file tells",
            got=f"{len(wrong)} slices differ, such as {record.name}: listed as {record.sequence}, {told} by its header",
            remedy="correct the column sequence, or clear it to have it read",
        )


def _contradicted(path: Path, records: Sequence[Record]) -> list[tuple[Record, str]]:
    """Return those of a file's records whose header tells another sequence, each with that one."""
    try:
        with path.open("rb") as file:
            if file_kind(file.read(HEAD)) != "DICOM":
                return []
        contents = open_file(path)
        told = [(record, contents.sequence(record.frame or 0)) for record in records]
    except (OSError, ReadError, IndexError):
        return []
    return [(record, sequence) for record, sequence in told if sequence not in ("", record.sequence)]
