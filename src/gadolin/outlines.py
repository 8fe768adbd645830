"""Lesion outlines on the grid of the prepared slices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.prepare import Preparation, find_frame, prepare
from gadolin.readers import naming, one_of, open_file, read
from gadolin.readers.contents import Contents
from gadolin.readers.each import each_slice
from gadolin.records import Record, Slice

__all__ = ["OUTLINE_SIZE", "Outlines", "prepared_outlines", "slice_and_mask"]

OUTLINE_SIZE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """How much of each place is lesion: ``coverage`` (N, 64, 64) uint8, 255 for wholly, on the prepared slice's grid.

    ``known`` (N,) bool tells which slices have an outline or none to draw; the coverage of the others is zero and means
    nothing.
    """

    coverage: NDArray[np.uint8]
    known: NDArray[np.bool_]


def prepared_outlines(
    records: Sequence[Record], preparation: Preparation, *, progress: Callable[[int, int], None] | None = None
) -> Outlines | None:
    """Read the masks that records name, cropped and resized as their slices are; None where no record names one.

    Where a record says that there is no lesion, the coverage is known to be zero.

    Raises DataError where a mask has another size than its slice, ReadError where it cannot be read.
    """
    if not any(record.outlined for record in records):
        return None
    coverage = np.zeros((len(records), OUTLINE_SIZE, OUTLINE_SIZE), np.uint8)
    small = replace(preparation, size=OUTLINE_SIZE)
    drawn = [index for index, record in enumerate(records) if record.outlined]
    opened = lru_cache(maxsize=8)(open_file)

    def make(place: int, image: Slice) -> None:
        record = records[drawn[place]]
        mask = _mask_of(record, image, opened)
        frame = replace(find_frame(image, preparation), black=0.0, white=255.0)
        inside = Slice(np.where(mask, np.float32(255), np.float32(0)), spacing_mm=image.spacing_mm)
        coverage[drawn[place]] = prepare(inside, small, frame)

    for done, _ in enumerate(each_slice([records[index] for index in drawn], make), start=1):
        if progress is not None:
            progress(done, len(drawn))
    return Outlines(coverage, np.array([bool(record.outline) for record in records]))


def slice_and_mask(record: Record) -> tuple[Slice, NDArray[np.bool_]]:
    """Read one slice and its outline as a mask (H, W) bool on the same grid; errors as in ``prepared_outlines``."""
    image = read(record.path, record.frame)
    return image, _mask_of(record, image, open_file)


def _mask_of(record: Record, image: Slice, opened: Callable[[Path], Contents]) -> NDArray[np.bool_]:
    path = Path(record.outline)
    with naming(path):
        mask = _mask(opened(path), record.frame)
    _check_size(record, image, mask)
    return mask


def _mask(contents: Contents, frame: int | None) -> NDArray[np.bool_]:
    """Return (H, W) bool: the mask that the file holds beside its slice, else where the slice itself is not zero."""
    if contents.outline is not None:
        return contents.outline(frame or 0)
    return one_of(contents, frame if contents.slices > 1 else None).pixels > 0


def _check_size(record: Record, image: Slice, mask: NDArray[np.bool_]) -> None:
    if image.pixels.shape != mask.shape:
        raise DataError(
            code="outline_size_differs",
            rule="an outline must have the size of its slice",
            got=f"it has {mask.shape} and {record.name} has {image.pixels.shape}",
            remedy="draw it on the same grid",
            path=record.outline,
        )
