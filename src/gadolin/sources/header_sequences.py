"""Sequences that a table names, against those that the headers of the files tell."""

from __future__ import annotations

from collections.abc import Iterable

from gadolin.errors import DataError, ReadError
from gadolin.readers import open_file
from gadolin.readers.kinds import HEAD, file_kind
from gadolin.records import Record

__all__ = ["require_header_sequences"]


def require_header_sequences(records: Iterable[Record]) -> None:
    """Raise DataError where a record's sequence is another than the header of its DICOM file tells.

    Files that cannot be read, and headers that tell none, are passed over here.
    """
    wrong = [(record, told) for record in records if record.sequence and (told := _told(record)) != record.sequence]
    if wrong:
        record, told = wrong[0]
        raise DataError(
            code="sequence_contradicts_header",
            rule="the sequence of a slice must be the one that the header of its file tells",
            got=f"{len(wrong)} slices differ, such as {record.name}: listed as {record.sequence}, {told} by its header",
            remedy="correct the column sequence, or clear it to have it read",
        )


def _told(record: Record) -> str:
    """Return the sequence by the header, that of the record where no header tells one."""
    try:
        with record.path.open("rb") as file:
            if file_kind(file.read(HEAD)) != "DICOM":
                return record.sequence
        return open_file(record.path).sequence(record.frame or 0) or record.sequence
    except (OSError, ReadError, IndexError):
        return record.sequence
