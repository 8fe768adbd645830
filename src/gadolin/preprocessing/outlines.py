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
_FEW = 8  # most values of a label map, including zero, unless each object has a single value
_NEAR = 0.01  # tolerance around whole numbers, since volumes are rescaled
_DIM = 32  # of 255: a lossy file that is darker is not white on black


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """Lesion coverage of each pixel: ``coverage`` (N, 64, 64) uint8, 255 for full, on the grid of the prepared slice.

    ``known`` (N,) bool marks slices with an outline or known to have no lesion; the coverage of the others is zero and
    meaningless. ``empty`` are rows with an empty outline, ``cut`` rows whose file has many grey levels and was
    thresholded at half of its maximum, ``failed`` maps rows with an unusable outline to the error.
    """

    coverage: NDArray[np.uint8]
    known: NDArray[np.bool_]
    empty: tuple[int, ...] = ()
    cut: tuple[int, ...] = ()
    failed: Mapping[int, GadolinError] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """A file with one or several masks; pixels above ``level`` are lesion, ``cut`` if that is half of the maximum."""

    contents: Contents
    level: float = 0.0
    cut: bool = False

    def mask(self, frame: int | None) -> NDArray[np.bool_]:
        """Return the mask of a slice, (H, W) bool: the one stored with it, else the thresholded image of this file."""
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
    """Read the outlines of records, cropped and resized like their slices; None if no record has one.

    A file with few whole numbers is a label map: non-zero is lesion. A file with many grey levels, such as a JPEG or a
    smoothed mask, is thresholded at half of its maximum, which is logged once. For records without a lesion, the
    coverage is known to be zero.

    Raises DataError if a mask and its slice differ in size, ReadError if it cannot be read; with ``skip``, such rows
    are not ``known``, their error is in ``failed``, and nothing is logged.
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
        _LOG.warning("%d of %d outlines have many grey levels, thresholded at half: %s", len(cut), len(drawn), first)
    return Outlines(coverage, known, tuple(sorted(empty)), tuple(sorted(cut)), dict(sorted(failed.items())))


def slice_and_mask(record: Record) -> tuple[Slice, NDArray[np.bool_]]:
    """Read one slice and its outline as a mask (H, W) bool on the same grid, by the rules of ``prepared_outlines``."""
    image = read(record.path, record.frame)
    mask, halved = _mask_of(record, image, _opened)
    if halved:
        _warn_cut(Path(record.outline).parent)
    return image, mask


@cache
def _warn_cut(folder: Path) -> None:
    """Warn once per folder that its outlines were thresholded."""
    _LOG.warning("%s: outlines with many grey levels are thresholded at half of their maximum", folder)


def _mask_of(record: Record, image: Slice, opened: Callable[[Path], _Drawn]) -> tuple[NDArray[np.bool_], bool]:
    path = Path(record.outline)
    with naming(path):
        drawn = opened(path)
        mask = drawn.mask(record.frame)
    _check_size(record, image, mask)
    return mask, drawn.cut


def _opened(path: Path) -> _Drawn:
    """Open a mask file and determine its threshold from all its slices."""
    contents = open_file(path)
    if contents.outline is not None or contents.omit is not None:
        return _Drawn(contents)
    if contents.slices == 1:  # decoded once
        only = contents.decode(0)
        contents = replace(contents, decode=lambda _: only)
    return _Drawn(contents, *_level(contents))


def _level(contents: Contents) -> tuple[float, bool]:
    """Return the lesion threshold of a file, and whether it is half of the maximum.

    Raises ReadError if the file is lossy and too dark to separate the mask from noise.
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
    """Return the rounded distinct values, sorted; for 8 bits by counting, which is faster than sorting."""
    if pixels.min() >= 0 and pixels.max() <= 255:
        small = pixels.astype(np.uint8)
        if np.array_equal(small, pixels):
            return [float(value) for value in np.flatnonzero(np.bincount(small.ravel()))]
    return [float(value) for value in np.unique(np.round(pixels, 3) if pixels.max() > 0.5 else pixels)]


def _is_flat(pixels: NDArray[np.float32]) -> bool:
    """Return whether every connected object in (H, W) has a single value, as in a map of numbered lesions."""
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
