"""Find the copies among records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gadolin.duplicates.copies import Copies
from gadolin.duplicates.find import find_copies
from gadolin.errors import ReadError
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.records import Record

__all__ = ["copies_of_records", "copies_where_readable"]


def copies_of_records(*sets: Sequence[Record], cache: Path | None = None) -> Copies:
    """Return the copies among the records of one or several sets, numbered consecutively.

    The search uses the default ``Preparation``, not that of a model, so that the same pictures have the same copies in
    an audit, a split, a training and an evaluation. ``cache`` is the folder of prepared slices. Raises ReadError where
    a picture cannot be read.
    """
    return find_copies(*(prepared_slices(records, Preparation(), cache).slices for records in sets))


def copies_where_readable(*sets: Sequence[Record], cache: Path | None = None) -> Copies | None:
    """Return the result of ``copies_of_records``, or None where a picture is missing or cannot be read."""
    if not all(record.path.is_file() for records in sets for record in records):
        return None
    try:
        return copies_of_records(*sets, cache=cache)
    except ReadError:
        return None
