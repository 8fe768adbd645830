"""Prepared slices on disk: each is decoded and prepared once, then read through a memory map."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.atomic import clear_leftovers, replacing, write_json
from gadolin.errors import OutputError
from gadolin.manifest import file_digest
from gadolin.montage import HEAD_COUNTER, count_heads
from gadolin.prepare import Preparation, find_frame, prepare
from gadolin.readers.contents import VERSION
from gadolin.readers.each import each_slice
from gadolin.readers.registry import plugin_versions
from gadolin.records import Record, Slice, slice_name

__all__ = ["Prepared", "default_cache_folder", "prepared_slices"]

_FORMAT = 2
_LOG = logging.getLogger("gadolin")
_A_DAY = 86_400  # seconds, after which a temporary file is no longer being written


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Prepared slices in the order of their records.

    ``slices`` is (N, size, size) uint8, read-only; ``whole`` lists the indices of the slices whose head was not
    found, so that the whole picture is used; ``coloured`` those that show true colours, ``several`` several slices.
    """

    slices: NDArray[np.uint8]
    whole: tuple[int, ...]
    coloured: tuple[int, ...]
    several: tuple[int, ...] = ()

    def take(self, rows: Sequence[int]) -> Prepared:
        """Return the slices of ``rows``, in that order."""
        places = {row: place for place, row in enumerate(rows)}
        facts = (self.whole, self.coloured, self.several)
        kept = (tuple(places[row] for row in one if row in places) for one in facts)
        return Prepared(self.slices[np.asarray(rows, np.int64)], *kept)


def default_cache_folder() -> Path:
    """Return ``$GADOLIN_CACHE``, else ``gadolin`` in the user's cache folder."""
    chosen = os.environ.get("GADOLIN_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "gadolin"
    except RuntimeError:  # a user without a home folder
        return Path(os.devnull) / "gadolin"  # where nothing can be kept


def prepared_slices(
    records: Sequence[Record],
    preparation: Preparation,
    folder: Path | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Prepared:
    """Return the prepared slices of ``records``, from the cache where it holds them, else made and kept there.

    The cache is keyed by the pictures' digests, the preparation and the version of the readers, written whole or not at
    all, and verified by a checksum at every opening; a stale or damaged one is made again. Where it cannot be written
    the slices are made for this once, with one warning. Raises ReadError naming an unreadable picture.
    """
    folder = folder or default_cache_folder()
    key = _key(records, preparation)
    array, facts = folder / f"{key}.npy", folder / f"{key}.json"
    found = _open(array, facts)
    if found is not None:
        return found
    try:
        _build(records, preparation, (array, facts), progress)
    except OutputError as error:
        _warn(folder, getattr(error.__cause__, "strerror", None) or error.rule)
        return _made_for_once(records, preparation, progress)
    found = _open(array, facts)
    assert found is not None, "a cache just written must open"
    return found


def _key(records: Sequence[Record], preparation: Preparation) -> str:
    slices = [slice_name(record.digest or file_digest(record.path), record.frame) for record in records]
    content = json.dumps([_FORMAT, VERSION, HEAD_COUNTER, preparation.as_json(), slices, *plugin_versions()])
    return hashlib.sha256(content.encode()).hexdigest()[:32]


def _open(array: Path, facts: Path) -> Prepared | None:
    try:
        known = json.loads(facts.read_text())
        slices = np.load(array, mmap_mode="r", allow_pickle=False)
        if known["checksum"] != _checksum(slices):
            return None
        return Prepared(slices, *(tuple(known[name]) for name in ("whole", "coloured", "several")))
    except (OSError, ValueError, KeyError, TypeError, EOFError):
        return None


def _checksum(slices: NDArray[np.uint8]) -> str:
    total = hashlib.sha256()
    for start in range(0, len(slices), 256):
        total.update(np.ascontiguousarray(slices[start : start + 256]).data)
    return total.hexdigest()


@cache
def _warn(folder: Path, why: str) -> None:
    """Say once that nothing is kept."""
    _LOG.warning(
        "%s: prepared slices are not kept there (%s); set GADOLIN_CACHE to a folder that can be written", folder, why
    )


def _reserve(file: int, size: int) -> None:
    """Take the disk space of a sparse file now: a full disk is an error here, and a crash under a memory map."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)


def _made_for_once(
    records: Sequence[Record], preparation: Preparation, progress: Callable[[int, int], None] | None
) -> Prepared:
    """Return prepared slices in a temporary file, which goes with the process, or in memory where there is none."""
    shape = (len(records), preparation.size, preparation.size)
    slices: NDArray[np.uint8]
    try:
        with tempfile.TemporaryFile() as file:
            _reserve(file.fileno(), max(1, len(records)) * preparation.size**2)
            slices = np.memmap(file, np.uint8, "r+", shape=shape)
    except (OSError, ValueError):
        slices = np.empty(shape, np.uint8)
    noted = _fill(slices, records, preparation, progress)
    slices.setflags(write=False)
    return Prepared(slices, *map(tuple, noted.values()))


def _build(
    records: Sequence[Record],
    preparation: Preparation,
    paths: tuple[Path, Path],
    progress: Callable[[int, int], None] | None,
) -> None:
    array, facts = paths
    clear_leftovers(array.parent, older_seconds=_A_DAY)
    shape = (len(records), preparation.size, preparation.size)
    with replacing(array) as temporary:
        slices = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        with temporary.open("r+b") as opened:
            _reserve(opened.fileno(), temporary.stat().st_size)
        noted = _fill(slices, records, preparation, progress)
        slices.flush()
        checksum = _checksum(slices)
    write_json(facts, {"checksum": checksum, **noted})


def _fill(
    slices: NDArray[np.uint8],
    records: Sequence[Record],
    preparation: Preparation,
    progress: Callable[[int, int], None] | None,
) -> dict[str, list[int]]:
    """Prepare every record into its place; return the rows that ``Prepared`` lists, in the order of its fields."""
    noted: dict[str, list[int]] = {"whole": [], "coloured": [], "several": []}

    def make(index: int, image: Slice) -> tuple[int, tuple[bool, ...]]:
        frame = find_frame(image, preparation)
        slices[index] = prepare(image, preparation, frame)
        return index, (not frame.found, image.colour, count_heads(image) > 1)

    for done, (index, facts) in enumerate(each_slice(records, make), start=1):
        for rows, is_so in zip(noted.values(), facts, strict=True):
            rows.extend((index,) if is_so else ())
        if progress is not None:
            progress(done, len(records))
    return {name: sorted(rows) for name, rows in noted.items()}
