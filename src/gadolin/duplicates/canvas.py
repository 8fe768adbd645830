"""Small normalised pictures for the search: gamma, contrast and plain bars at the sides have little effect."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.preprocessing.bars import inside_bars

__all__ = ["SIDE", "on_canvas"]

SIDE = 112  # pixels
_ONE_TONE = 12  # of 255: largest range of tones within a line of a bar
_BRIGHT = 0.995  # quantile of the bright tone
_FAINT = 0.1  # of the bright tone; below is background
_MIDDLE = 0.45  # target of the tissue median
_STRONGEST = 3.0  # largest gamma


def on_canvas(slices: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (N, SIDE, SIDE) uint8 for prepared slices (N, H, W) uint8.

    Each is shrunk, plain bars along its sides are blackened, and a power curve maps the median of its tissue to
    mid-grey. Contrast then has almost no effect, and gamma little as long as air stays darker than a tenth of the
    bright tone and tissue brighter.
    """
    canvases = np.empty((len(slices), SIDE, SIDE), np.uint8)
    for canvas, one in zip(canvases, slices, strict=True):
        shrinking = min(one.shape) >= SIDE
        small = cv2.resize(one, (SIDE, SIDE), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
        canvas[:] = _evened(_without_bars(np.asarray(small, np.uint8)))
    return canvases


def _without_bars(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    rows, columns = inside_bars(picture, _is_plain)
    bare = np.zeros_like(picture)
    bare[rows, columns] = picture[rows, columns]
    return bare


def _is_plain(lines: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which lines (n, m) uint8 are of one tone, dark or bright."""
    return np.asarray(lines.max(axis=1) <= lines.min(axis=1, initial=255 - _ONE_TONE) + _ONE_TONE)


def _evened(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    counts = cv2.calcHist([picture], [0], None, [256], (0, 256)).ravel().astype(np.int64)
    bright = int(np.searchsorted(counts.cumsum(), _BRIGHT * picture.size))
    tissue = np.where(np.arange(256) > _FAINT * bright, counts, 0).cumsum()
    if bright < 1 or not tissue[-1]:
        return picture
    middle = min(max(int(np.searchsorted(tissue, tissue[-1] / 2)) / bright, 0.02), 0.98)
    gamma = min(max(np.log(_MIDDLE) / np.log(middle), 1 / _STRONGEST), _STRONGEST)
    curve = np.rint(255 * np.minimum(np.arange(256) / bright, 1) ** gamma)
    return np.asarray(cv2.LUT(picture, curve.astype(np.uint8)), np.uint8)
