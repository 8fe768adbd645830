"""Lesion outlines on the grid of the prepared slices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError, GadolinError, ReadError
from gadolin.preprocessing.prepare import Preparation, find_frame, prepare
from gadolin.progress import Progress
from gadolin.readers import naming, one_of, open_file, read
from gadolin.readers.contents import Contents
from gadolin.readers.read_records import each_slice
from gadolin.records import Record, Slice

__all__ = ["OUTLINE_SIZE", "Outlines", "prepared_outlines", "slice_and_mask"]

OUTLINE_SIZE = 64
_LOG = logging.getLogger("gadolin")
_FEW = 8  # numbers, zero among them, that a map of labels holds at most, unless each of its things is of one number
_NEAR = 0.01  # how far a number may lie from a whole one, since volumes are rescaled
_DIM = 32  # of 255: what is stored with loss and darker than this is no white on black


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """How much of each place is lesion: ``coverage`` (N, 64, 64) uint8, 255 for wholly, on the prepared slice's grid.

    ``known`` (N,) bool tells which slices have an outline or none to draw; the coverage of the others is zero and means
    nothing. ``empty`` are the rows whose outline marks nothing, ``cut`` those whose file has many grey levels and was
    cut at half of its maximum, ``failed`` those whose outline cannot be used, and why.
    """

    coverage: NDArray[np.uint8]
    known: NDArray[np.bool_]
    empty: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    failed: Mapping[int, GadolinError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """A file of one mask or several, in which what is above ``level`` is lesion; ``cut`` where that is half of it."""

    contents: Contents
    level: float = 0.0
    cut: bool = False

    def mask(self, frame: int | None) -> NDArray[np.bool_]:
        """Return (H, W) bool of a slice: the mask beside it in its own file, else the picture that this file holds."""
        if self.contents.outline is not None:
            return self.contents.outline(frame or 0)
        pixels = one_of(self.contents, frame if self.contents.slices > 1 else None).pixels
        return pixels > self.level if self.cut else np.abs(pixels) > self.level


def prepared_outlines(
    records: Sequence[Record],
    preparation: Preparation,
    *,
    skip: bool = False,
    progress: Progress | None = None,
) -> Outlines | None:
    """Read the masks that records name, cropped and resized as their slices are; None where no record names one.

    A file of few whole numbers is a map of labels: what is not zero is lesion. One of many grey levels, such as a JPEG
    or a smoothed mask, is cut at half of its maximum, which is logged once. Where a record says that there is no
    lesion, the coverage is known to be zero.

    Raises DataError where a mask has another size than its slice, ReadError where it cannot be read; with ``skip`` such
    rows are not ``known`` and ``failed`` says why, and nothing is logged.
    """
    if not any(record.outlined for record in records):
        return None
    coverage = np.zeros((len(records), OUTLINE_SIZE, OUTLINE_SIZE), np.uint8)
    known = np.array([bool(record.outline) for record in records])
    small = replace(preparation, size=OUTLINE_SIZE)
    drawn = [index for index, record in enumerate(records) if record.outlined]
    opened = lru_cache(maxsize=8)(_opened)
    empty: list[int] = []
    cut: list[int] = []
    failed: dict[int, GadolinError] = {}

    def make(place: int, image: Slice, _kind: str) -> None:
        row = drawn[place]
        try:
            mask, halved = _mask_of(records[row], image, opened)
        except (DataError, ReadError) as error:
            if not skip:
                raise
            failed[row], known[row] = error, False
            return
        empty.extend(() if mask.any() else (row,))
        cut.extend((row,) if halved else ())
        frame = replace(find_frame(image, preparation), black=0.0, white=255.0)
        inside = Slice(np.where(mask, np.float32(255), np.float32(0)), spacing_mm=image.spacing_mm)
        coverage[row] = prepare(inside, small, frame)

    for done, _ in enumerate(each_slice([records[index] for index in drawn], make), start=1):
        if progress is not None:
            progress(done, len(drawn), "preparing outlines")
    if cut and not skip:
        first = records[min(cut)].outline
        _LOG.warning("%d of %d outlines are of many grey levels, cut at half, such as %s", len(cut), len(drawn), first)
    return Outlines(coverage, known, tuple(sorted(empty)), tuple(sorted(cut)), dict(sorted(failed.items())))


def slice_and_mask(record: Record) -> tuple[Slice, NDArray[np.bool_]]:
    """Read one slice and its outline as a mask (H, W) bool on the same grid, by the rules of ``prepared_outlines``."""
    image = read(record.path, record.frame)
    mask, halved = _mask_of(record, image, _opened)
    if halved:
        _say_cut(Path(record.outline).parent)
    return image, mask


@cache
def _say_cut(folder: Path) -> None:
    """Say once of a folder how its masks were read."""
    _LOG.warning("%s: outlines of many grey levels are cut at half of their maximum", folder)


def _mask_of(record: Record, image: Slice, opened: Callable[[Path], _Drawn]) -> tuple[NDArray[np.bool_], bool]:
    path = Path(record.outline)
    with naming(path):
        drawn = opened(path)
        mask = drawn.mask(record.frame)
    _check_size(record, image, mask)
    return mask, drawn.cut


def _opened(path: Path) -> _Drawn:
    """Open a file of masks and see by all of it how it is to be read."""
    contents = open_file(path)
    if contents.outline is not None or contents.omit is not None:
        return _Drawn(contents)
    if contents.slices == 1:  # decoded once
        only = contents.decode(0)
        contents = replace(contents, decode=lambda _: only)
    return _Drawn(contents, *_level(contents))


def _level(contents: Contents) -> tuple[float, bool]:
    """Return above what the numbers of a file are lesion, and whether that is half of its maximum.

    Raises ReadError where it was stored with loss and is so dark that neither can be told from noise.
    """
    values, top = {0.0}, 0.0
    for pixels in _pictures(contents):
        top = max(top, float(pixels.max()))
        if len(values) <= _FEW:
            values |= set(_numbers(pixels)[: _FEW + 1])
    with_loss = contents.kind == "JPEG" or (contents.kind == "WEBP" and top >= _DIM)
    if len(values) <= 2:
        return 0.0, False
    few = len(values) <= _FEW and all(abs(value - round(value)) <= _NEAR for value in values)
    if not with_loss and (few or all(map(_is_flat, _pictures(contents)))):
        return 0.5, False
    if with_loss and top < _DIM:
        raise ReadError(
            code="outline_unclear",
            rule="an outline in a JPEG must be white on black",
            got=f"the brightest pixel of this one has {top:.0f} of 255",
            remedy="save it as PNG",
        )
    return top / 2, True


def _pictures(contents: Contents) -> Iterator[NDArray[np.float32]]:
    return (contents.decode(number).pixels for number in range(contents.slices))


def _numbers(pixels: NDArray[np.float32]) -> list[float]:
    """Return the numbers that occur, in order, about; of 8 bits by counting, which is faster than sorting."""
    if pixels.min() >= 0 and pixels.max() <= 255:
        small = pixels.astype(np.uint8)
        if np.array_equal(small, pixels):
            return [float(value) for value in np.flatnonzero(np.bincount(small.ravel()))]
    return [float(value) for value in np.unique(np.round(pixels, 3) if pixels.max() > 0.5 else pixels)]


def _is_flat(pixels: NDArray[np.float32]) -> bool:
    """Return whether every connected thing in (H, W) is of one value, as lesions are that are numbered one by one."""
    if np.abs(pixels - np.rint(pixels)).max() > _NEAR:
        return False
    pixels = np.rint(pixels)
    marked = (pixels != 0).astype(np.uint8)
    across = (pixels[:, 1:] != pixels[:, :-1]) & (marked[:, 1:] & marked[:, :-1] > 0)
    down = (pixels[1:] != pixels[:-1]) & (marked[1:] & marked[:-1] > 0)
    return not (across.any() or down.any())


def _check_size(record: Record, image: Slice, mask: NDArray[np.bool_]) -> None:
    if image.pixels.shape != mask.shape:
        raise DataError(
            code="outline_size_differs",
            rule="an outline must have the size of its slice",
            got=f"it has {mask.shape} and {record.name} has {image.pixels.shape}",
            remedy="draw it on the same grid",
            path=record.outline,
        )
