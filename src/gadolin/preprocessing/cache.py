"""Cache of prepared slices on disk: each is decoded and prepared once, then memory-mapped."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.manifest import file_digest
from gadolin.errors import OutputError, ReadError
from gadolin.files.atomic import clear_leftovers, replacing, write_json
from gadolin.preprocessing.montage import HEAD_COUNTER, count_heads
from gadolin.preprocessing.prepare import Preparation, find_frame, prepare
from gadolin.progress import Progress
from gadolin.readers.contents import VERSION
from gadolin.readers.read_records import each_slice
from gadolin.readers.registry import plugin_versions
from gadolin.records import Record, Slice, slice_name

__all__ = ["Prepared", "Readable", "default_cache_folder", "prepared_slices", "readable_slices"]

_FORMAT = 2
_LOG = logging.getLogger("gadolin")
_READING = "preparing slices"
_A_DAY = 86_400  # seconds, after which a temporary file counts as abandoned

Look = Callable[[int, Slice, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """Prepared slices in the order of their records.

    ``slices`` is (N, size, size) uint8, read-only. ``whole`` lists the indices of slices without a detected head, for
    which the whole image is used; ``coloured`` those of colour images, ``several`` those that show several slices.
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


@dataclass(frozen=True, slots=True, eq=False)
class Readable:
    """The readable slices of some records, and the errors of the others.

    ``prepared`` holds the slices of the records at indices ``rows``, in that order; ``errors`` maps each other index to
    its error.
    """

    prepared: Prepared
    rows: tuple[int, ...]
    errors: dict[int, ReadError]


def default_cache_folder() -> Path:
    """Return ``$GADOLIN_CACHE``, else ``gadolin`` in the user's cache folder."""
    chosen = os.environ.get("GADOLIN_CACHE")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or os.environ.get("LOCALAPPDATA")
    try:
        return (Path(base) if base else Path.home() / ".cache") / "gadolin"
    except RuntimeError:  # the user has no home folder
        return Path(os.devnull) / "gadolin"  # never writable


def prepared_slices(
    records: Sequence[Record],
    preparation: Preparation,
    folder: Path | None = None,
    *,
    progress: Progress | None = None,
) -> Prepared:
    """Return the prepared slices of ``records`` from the cache, adding them if they are missing.

    The cache is keyed by the digests of the slices, the preparation and the version of the readers, written atomically,
    and verified by a checksum at every opening; a stale or damaged entry is rebuilt. If it cannot be written, the
    slices are not cached, with one warning. Raises ReadError with the path of an unreadable file.
    """
    found = _opened(folder, records, preparation)
    return found or _made(records, preparation, folder or default_cache_folder(), _Pass(progress)).prepared


def readable_slices(
    records: Sequence[Record],
    preparation: Preparation,
    folder: Path | None = None,
    *,
    look: Look | None = None,
    progress: Progress | None = None,
) -> Readable:
    """Return the prepared slices of the readable ``records``, and the errors of the others.

    Each file is read once. The cache works as in ``prepared_slices``, but after an unreadable slice all are prepared
    again the next time. ``look`` is called with row, slice and file format for every readable slice, from several
    threads; it requires reading the files even if the cache holds the prepared slices.
    """
    found, errors = _opened(folder, records, preparation), dict[int, ReadError]()
    if found is None:
        return _made(records, preparation, folder or default_cache_folder(), _Pass(progress, look, errors))
    if look is not None:
        for done, _ in enumerate(each_slice(records, look, errors), start=1):
            if progress is not None:
                progress(done, len(records), _READING)
    rows = [row for row in range(len(records)) if row not in errors]
    return Readable(found.take(rows) if errors else found, tuple(rows), dict(sorted(errors.items())))


def _opened(folder: Path | None, records: Sequence[Record], preparation: Preparation) -> Prepared | None:
    return _open(*_files(folder or default_cache_folder(), records, preparation))


def _files(folder: Path, records: Sequence[Record], preparation: Preparation) -> tuple[Path, Path]:
    """Return the cache files of these slices: the array, and the facts about it."""
    key = _key(records, preparation)
    return folder / f"{key}.npy", folder / f"{key}.json"


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
    """Warn once that slices are not cached."""
    _LOG.warning("%s: prepared slices cannot be cached there (%s); set GADOLIN_CACHE to a writable folder", folder, why)


def _reserve(file: int, size: int) -> None:
    """Allocate the disk space of a sparse file: a full disk raises an error here, but crashes a memory map later."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)


def _made(records: Sequence[Record], preparation: Preparation, folder: Path, how: _Pass) -> Readable:
    """Prepare the slices and cache them in ``folder``, or only prepare them if it is not writable."""
    try:
        return _kept(records, preparation, folder, how)
    except OutputError as error:
        _warn(folder, getattr(error.__cause__, "strerror", None) or error.rule)
    slices = _scratch(len(records), preparation)
    noted = how.fill(slices, records, preparation)
    if how.errors:
        whole, rows = slices, how.rows(records)
        slices, noted = _scratch(len(rows), preparation), _renumbered(noted, rows)
        _copy(whole, rows, slices)
    slices.setflags(write=False)
    return Readable(Prepared(slices, *map(tuple, noted.values())), how.rows(records), how.reasons())


def _kept(records: Sequence[Record], preparation: Preparation, folder: Path, how: _Pass) -> Readable:
    array, facts = _files(folder, records, preparation)
    clear_leftovers(folder, older_seconds=_A_DAY)
    with replacing(array) as temporary:
        slices = _mapped(temporary, len(records), preparation)
        noted = how.fill(slices, records, preparation)
        slices.flush()
        checksum = "" if how.errors else _checksum(slices)
    rows = how.rows(records)
    if not rows:
        nothing = np.empty((0, preparation.size, preparation.size), np.uint8)
        return Readable(Prepared(nothing, (), ()), (), how.reasons())
    if how.errors:  # cached under the key of the readable slices, for later calls with only these
        whole, noted = array, _renumbered(noted, rows)
        array, facts = _files(folder, [records[row] for row in rows], preparation)
        with replacing(array) as temporary:
            slices = _mapped(temporary, len(rows), preparation)
            _copy(np.load(whole, mmap_mode="r", allow_pickle=False), rows, slices)
            slices.flush()
            checksum = _checksum(slices)
        with suppress(OSError):
            whole.unlink()
    write_json(facts, {"checksum": checksum, **noted})
    found = _open(array, facts)
    assert found is not None, "a cache just written must open"
    return Readable(found, rows, how.reasons())


def _mapped(path: Path, count: int, preparation: Preparation) -> np.memmap[tuple[int, ...], np.dtype[np.uint8]]:
    slices = np.lib.format.open_memmap(path, "w+", np.uint8, (count, preparation.size, preparation.size))
    with path.open("r+b") as opened:
        _reserve(opened.fileno(), path.stat().st_size)
    return slices


def _scratch(count: int, preparation: Preparation) -> NDArray[np.uint8]:
    """Return an array in a temporary file, deleted with the process, or in memory if that fails."""
    shape = (count, preparation.size, preparation.size)
    try:
        with tempfile.TemporaryFile() as file:
            _reserve(file.fileno(), max(1, count) * preparation.size**2)
            return np.memmap(file, np.uint8, "r+", shape=shape)
    except (OSError, ValueError):
        return np.empty(shape, np.uint8)


def _copy(whole: NDArray[np.uint8], rows: Sequence[int], slices: NDArray[np.uint8]) -> None:
    for place, row in enumerate(rows):
        slices[place] = whole[row]


def _renumbered(noted: dict[str, list[int]], rows: Sequence[int]) -> dict[str, list[int]]:
    places = {row: place for place, row in enumerate(rows)}
    return {name: [places[row] for row in listed] for name, listed in noted.items()}


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass over the files: progress, callback for each slice, and errors by row (None: raise)."""

    progress: Progress | None = None
    look: Look | None = None
    errors: dict[int, ReadError] | None = None

    def rows(self, records: Sequence[Record]) -> tuple[int, ...]:
        """Return the readable rows."""
        return tuple(row for row in range(len(records)) if row not in (self.errors or ()))

    def reasons(self) -> dict[int, ReadError]:
        """Return the errors of the other rows."""
        return dict(sorted((self.errors or {}).items()))

    def fill(
        self, slices: NDArray[np.uint8], records: Sequence[Record], preparation: Preparation
    ) -> dict[str, list[int]]:
        """Prepare every record into ``slices``; return the row lists of ``Prepared``, in the order of its fields."""
        noted: dict[str, list[int]] = {"whole": [], "coloured": [], "several": []}

        def make(index: int, image: Slice, kind: str) -> tuple[int, tuple[bool, ...]]:
            frame = find_frame(image, preparation)
            slices[index] = prepare(image, preparation, frame)
            if self.look is not None:
                self.look(index, image, kind)
            return index, (not frame.found, image.colour, count_heads(image) > 1)

        for done, (index, facts) in enumerate(each_slice(records, make, self.errors), start=1):
            for rows, is_so in zip(noted.values(), facts, strict=True):
                rows.extend((index,) if is_so else ())
            if self.progress is not None:
                self.progress(done, len(records), _READING)
        return {name: sorted(rows) for name, rows in noted.items()}
