"""Lesion outlines on the grid of the prepared slices."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.prepare import Preparation, find_frame, prepare
from gadolin.readers import read
from gadolin.records import Record

__all__ = ["OUTLINE_SIZE", "Outlines", "prepared_outlines"]

OUTLINE_SIZE = 64


@dataclass(frozen=True, slots=True, eq=False)
class Outlines:
    """How much of each place is lesion: ``coverage`` (N, 64, 64) uint8, 255 for wholly, on the prepared slice's grid.

    ``known`` (N,) bool tells which slices have an outline; the coverage of the others is zero and means nothing.
    """

    coverage: NDArray[np.uint8]
    known: NDArray[np.bool_]


def prepared_outlines(
    records: Sequence[Record], preparation: Preparation, *, progress: Callable[[int, int], None] | None = None
) -> Outlines | None:
    """Read the masks that records name, cropped and resized as their slices are; None where no record names one.

    Raises DataError where a mask has another size than its slice, ReadError where it cannot be read.
    """
    if not any(record.outline for record in records):
        return None
    coverage = np.zeros((len(records), OUTLINE_SIZE, OUTLINE_SIZE), np.uint8)
    small = replace(preparation, size=OUTLINE_SIZE)

    def make(index: int) -> None:
        record = records[index]
        if record.outline:
            coverage[index] = _coverage(record, preparation, small)

    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        for done, _ in enumerate(pool.map(make, range(len(records))), start=1):
            if progress is not None:
                progress(done, len(records))
    return Outlines(coverage, np.array([bool(record.outline) for record in records]))


def _coverage(record: Record, preparation: Preparation, small: Preparation) -> NDArray[np.uint8]:
    image, mask = read(record.path), read(Path(record.outline))
    if image.pixels.shape != mask.pixels.shape:
        msg = (
            f"{record.outline}: an outline must have the size of its slice, it has {mask.pixels.shape} "
            f"and {record.path} has {image.pixels.shape}; draw it on the same grid"
        )
        raise DataError(msg)
    inside = replace(mask, pixels=np.where(mask.pixels > 0, np.float32(255), np.float32(0)), bits=8)
    frame = replace(find_frame(image, preparation), black=0.0, white=255.0)
    return prepare(inside, small, frame)
