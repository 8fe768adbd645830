"""Search for copies of a slice, also mirrored, rotated, rescaled, cropped or recompressed."""

from gadolin.duplicates.copies import Copies, Copy
from gadolin.duplicates.find import COPY_CORRELATION, find_copies
from gadolin.duplicates.records import copies_of_records, copies_where_readable

__all__ = ["COPY_CORRELATION", "Copies", "Copy", "copies_of_records", "copies_where_readable", "find_copies"]
