"""Intensity scaling: the black and white of a slice, and its pixels as bytes between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["intensity_range", "to_uint8"]


def intensity_range(inside: NDArray[np.float32], bits: int, percentiles: tuple[float, float]) -> tuple[float, float]:
    """Return black and white of a slice from its pixels (h, w) float32 inside the crop.

    8-bit files use 0 and 255; deeper ones two percentiles, each in [0, 100], of the pixels above the minimum.
    """
    if bits <= 8:
        return 0.0, 255.0
    tissue = inside[inside > inside.min()]
    if tissue.size == 0:
        return float(inside.min()), float(inside.min()) + 1
    low, high = np.percentile(tissue, percentiles)
    return float(low if low < high else inside.min()), float(high)


def to_uint8(pixels: NDArray[np.float32], black: float, white: float) -> NDArray[np.uint8]:
    """Return pixels of any shape, float32, scaled from black and white to 0 and 255, clipped and rounded to uint8."""
    span = max(white - black, 1e-12)
    scaled = np.clip((pixels - np.float32(black)) * np.float32(255 / span), 0, 255)
    return np.asarray(np.rint(scaled), np.uint8)
