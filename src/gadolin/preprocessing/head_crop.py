"""The head crop: where the head lies in a slice, and the resized crop."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.preprocessing.bars import inside_bars
from gadolin.preprocessing.head_detection import find_head
from gadolin.records import Slice

__all__ = ["Box", "crop", "crop_resize", "find_head_box", "grown", "percentile", "squared"]

_BRIGHT_BACKGROUND = 90  # of 255: a brighter background is not air
_ONE_TONE = 6.0  # of 255: standard deviation within a line of a bar
_LENIENT = 0.8  # of Otsu's threshold, so that the dim rim of a head is kept
_SMALLEST_HEAD = 0.10  # share of the area of the slice
_FRAME_DEPTHS = (0.0, 0.01, 0.025, 0.05)  # of the shorter side: depths at which to look behind a frame line
_LONGEST_HEAD = 2.5  # longer side over shorter side
_STRETCHED = 1.01  # ratio of row and column spacing beyond which pixels are not square


class Box(NamedTuple):
    """A rectangle in pixels of the slice; outside of the slice it is filled with black."""

    top: int
    left: int
    height: int
    width: int


def find_head_box(image: Slice) -> Box | None:
    """Return the bounding box of the largest bright object on a dark background, if it is plausible as a head.

    Bright bars beside the slice, as in screenshots, and a thin bright frame around it are removed first.
    """
    working = _working_copy(image)
    rows, columns = inside_bars(working, _is_bright_bar)
    middle = working[rows, columns]
    depths = (round(share * min(middle.shape)) for share in _FRAME_DEPTHS)
    for depth in sorted(set(depths)):
        inner = middle[depth : middle.shape[0] - depth, depth : middle.shape[1] - depth]
        background = float(np.median(np.concatenate([inner[0], inner[-1], inner[:, 0], inner[:, -1]])))
        if background <= _BRIGHT_BACKGROUND:
            box = _largest_object(inner, background)
            return box and Box(box.top + depth + rows.start, box.left + depth + columns.start, box.height, box.width)
    return None


def _working_copy(image: Slice) -> NDArray[np.uint8]:
    """Return an 8-bit copy for head detection."""
    pixels = image.pixels
    if image.bits > 8:
        black, white = np.percentile(pixels, (0.5, 99.5))
        pixels = (pixels - black) * (255 / max(white - black, 1e-12))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _is_bright_bar(lines: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which lines (n, m) uint8 are bright and uniform."""
    return np.asarray((lines.min(axis=1) > _BRIGHT_BACKGROUND) & (lines.std(axis=1) < _ONE_TONE))


def _largest_object(working: NDArray[np.uint8], background: float) -> Box | None:
    """Return the bounding box of the largest object by Otsu's threshold on the square root of intensities.

    The square root reduces the contrast between grey tissue and bright fat, so that dark images are not cropped to
    their bright parts.
    """
    bright = max(percentile(working, 99) - background, 1.0)
    tones = np.clip((np.arange(256) - background) / bright, 0, 1)
    curve = np.rint(255 * np.sqrt(tones)).astype(np.uint8)
    roots = np.asarray(cv2.LUT(cv2.GaussianBlur(working, (5, 5), 0), curve), np.uint8)
    outline = find_head(roots, of_otsu=_LENIENT, opened=max(3, round(min(working.shape) * 0.02) | 1))
    if outline is None:
        return None
    left, top, width, height = cv2.boundingRect(outline)
    too_small = width * height < _SMALLEST_HEAD * working.size
    too_long = max(width, height) > _LONGEST_HEAD * min(width, height)
    return None if too_small or too_long else Box(top, left, height, width)


def percentile(working: NDArray[np.uint8], percent: float) -> float:
    """Return the result of np.percentile from the histogram of 256 tones, which is much faster."""
    below = np.cumsum(cv2.calcHist([working], [0], None, [256], (0, 256)).ravel(), dtype=np.float64)
    rank = percent / 100 * (working.size - 1)
    low, high = np.searchsorted(below, [np.floor(rank), np.ceil(rank)], side="right")
    return float(low + (high - low) * (rank % 1))


def grown(box: Box, margin: float, shape: tuple[int, ...]) -> Box:
    """Return the box with a margin, a share of its longer side, within a slice of ``shape``."""
    grow = round(margin * max(box.height, box.width))
    top, left = max(0, box.top - grow), max(0, box.left - grow)
    bottom = min(shape[0], box.top + box.height + grow)
    right = min(shape[1], box.left + box.width + grow)
    return Box(top, left, bottom - top, right - left)


def squared(box: Box, spacing_mm: tuple[float, float] | None) -> Box:
    """Return the box grown to a square, in pixels, or in millimetres if row and column spacing differ."""
    rows, columns = spacing_mm or (1.0, 1.0)
    if not 1 / _STRETCHED < rows / columns < _STRETCHED:
        side_mm = max(box.height * rows, box.width * columns)
        height, width = max(box.height, round(side_mm / rows)), max(box.width, round(side_mm / columns))
    else:
        height = width = max(box.height, box.width)
    return Box(box.top - (height - box.height) // 2, box.left - (width - box.width) // 2, height, width)


def crop(pixels: NDArray[np.float32], box: Box, fill: float) -> NDArray[np.float32]:
    """Return the box of pixels (H, W), (height, width) float32, with ``fill`` outside of the slice."""
    height, width = pixels.shape
    top, left = max(0, box.top), max(0, box.left)
    bottom, right = min(height, box.top + box.height), min(width, box.left + box.width)
    inner = pixels[top:bottom, left:right]
    if inner.shape == (box.height, box.width):
        return inner
    out = np.full((box.height, box.width), fill, np.float32)
    out[top - box.top : bottom - box.top, left - box.left : right - box.left] = inner
    return out


def crop_resize(pixels: NDArray[np.float32], box: Box, size: int, beyond: float) -> NDArray[np.float32]:
    """Return the box of pixels (H, W) float32 resized to (size, size) float32, filled with ``beyond`` outside.

    Linear in the pixels: with ``beyond`` 0, the result of a sum of images is the sum of their results.
    """
    cropped = crop(pixels, box, beyond)
    shrinking = min(cropped.shape) >= size
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cropped, (size, size), interpolation=how), np.float32)
