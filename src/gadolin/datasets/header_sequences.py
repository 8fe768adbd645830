"""The MRI sequences in the file headers, and their comparison with those of a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gadolin.errors import DataError, ReadError
from gadolin.readers import open_file
from gadolin.readers.file_types import HEAD, file_kind
from gadolin.records import Record

__all__ = ["header_sequences", "require_header_sequences"]


def header_sequences(records: Iterable[Record]) -> list[str]:
    """Return the MRI sequence in the header of each record's file; "" if it has none or is unreadable."""
    sequence_of: Callable[[int], str] | None = None
    before: Path | None = None
    found = []
    for record in records:
        if record.path != before:
            before = record.path
            try:
                sequence_of = open_file(record.path).sequence
            except ReadError:
                sequence_of = None
        try:
            found.append(sequence_of(record.frame or 0) if sequence_of else "")
        except (ReadError, IndexError):
            found.append("")
    return found


def require_header_sequences(records: Iterable[Record]) -> None:
    """Raise DataError if the sequence of a record differs from the header of its DICOM file.

    Unreadable files, and headers without a known sequence, are ignored here.
    """
    listed: dict[Path, list[Record]] = defaultdict(list)
    for record in records:
        if record.sequence:
            listed[record.path].append(record)
    wrong = [one for path, of_file in listed.items() for one in _contradicted(path, of_file)]
    if wrong:
        record, found = wrong[0]
        raise DataError(
            code="sequence_contradicts_header",
            rule="the sequence of a slice must agree with the header of its file",
            got=f"{len(wrong)} slices differ, such as {record.name}: listed as {record.sequence}, header {found}",
            remedy="correct the column sequence, or clear it to use the header",
        )


def _contradicted(path: Path, records: Sequence[Record]) -> list[tuple[Record, str]]:
    """Return the records of a file whose sequence differs from the header, each with the header's sequence."""
    try:
        with path.open("rb") as file:
            if file_kind(file.read(HEAD)) != "DICOM":
                return []
        contents = open_file(path)
        found = [(record, contents.sequence(record.frame or 0)) for record in records]
    except (OSError, ReadError, IndexError):
        return []
    return [(record, sequence) for record, sequence in found if sequence not in ("", record.sequence)]
