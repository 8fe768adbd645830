"""An explanation method: how much the probability falls where a horizontal band of the slice is black."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gadolin.explanations import ExplainedSlice, Method, Options

__all__ = ["BANDS", "bands"]

_BANDS = 16


def bands(explained: ExplainedSlice, _options: Options) -> tuple[NDArray[np.float32], int]:
    """Return heat (H, W) float32, the fall in probability of the class, and the number of slices predicted."""
    pixels = explained.image.pixels
    rows = np.array_split(np.arange(len(pixels)), _BANDS)
    covered = np.repeat(pixels[None], len(rows), axis=0)
    for number, band in enumerate(rows):
        covered[number, band] = pixels.min()
    falls = explained.probability - explained.predict(covered)[:, explained.target]
    heat = np.zeros_like(pixels)
    for band, fall in zip(rows, falls, strict=True):
        heat[band] = fall
    return heat, len(rows)


BANDS = Method(bands, often=True)
