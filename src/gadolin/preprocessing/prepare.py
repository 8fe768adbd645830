"""Preparation: crop a slice to the head and scale it to 256 x 256 bytes, the input of every network.

Training, evaluation, prediction, explanation and serving call ``prepare`` with the same ``Preparation``, which the
bundle stores. The result is uint8, so that cache, training and runtime agree byte for byte.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError, suggestion
from gadolin.preprocessing.bars import inside_bars
from gadolin.preprocessing.head import find_head
from gadolin.preprocessing.intensity import intensity_range, to_uint8
from gadolin.records import Slice

__all__ = ["Box", "Frame", "Preparation", "crop_resize", "find_frame", "prepare"]

_BRIGHT_BACKGROUND = 90  # of 255: a brighter background is not air
_ONE_TONE = 6.0  # of 255: standard deviation within a line of a bar
_LENIENT = 0.8  # of Otsu's threshold, so that the dim rim of a head is kept
_SMALLEST_HEAD = 0.10  # share of the area of the slice
_FRAME_DEPTHS = (0.0, 0.01, 0.025, 0.05)  # of the shorter side: depths at which to look behind a frame line
_LONGEST_HEAD = 2.5  # longer side over shorter side
_STRETCHED = 1.01  # ratio of row and column spacing beyond which pixels are not square


def _explained(default: float, explained: str, limits: tuple[float, float] | None = None) -> Any:
    """Return a field with a line of help and, for a number, its lowest and highest value."""
    low_high = {} if limits is None else {"low": limits[0], "high": limits[1]}
    return field(default=default, metadata={"help": explained, **low_high})


@dataclass(frozen=True, slots=True)
class Preparation:
    """Parameters of the preparation, stored in the bundle.

    The help text beside each field describes it. The percentiles apply inside the head and to files deeper than 8 bits;
    8-bit files use the range 0 to 255.
    """

    size: int = _explained(256, "side in pixels of a prepared slice", (16, 2048))
    crop: bool = _explained(True, "crop to the head first")
    margin: float = _explained(0.02, "margin kept around the head, as a fraction of its longer side", (0, 0.5))
    square: bool = _explained(True, "keep the aspect ratio by padding with black; false stretches")
    low_percentile: float = _explained(
        0.5, "percentile inside the head that becomes black, for files deeper than 8 bits", (0, 100)
    )
    high_percentile: float = _explained(
        99.9, "percentile inside the head that becomes white, for files deeper than 8 bits", (0, 100)
    )

    def __post_init__(self) -> None:
        """Check the range of every value."""
        for one in fields(self):
            low, high = one.metadata.get("low"), one.metadata.get("high")
            if low is not None and high is not None and not low <= getattr(self, one.name) <= high:
                raise RequestError(
                    code="preparation_out_of_range",
                    rule=f"preparation.{one.name} must lie in {low} to {high}",
                    got=f"got {getattr(self, one.name)}",
                    remedy=f"{one.default} is the usual choice",
                )
        if not self.low_percentile < self.high_percentile:
            raise RequestError(
                code="preparation_out_of_range",
                rule="preparation's percentiles must satisfy 0 <= low < high <= 100",
                got=f"got {self.low_percentile} and {self.high_percentile}",
                remedy="0.5 and 99.9 are the usual choice",
            )

    def as_json(self) -> dict[str, object]:
        """Return the fields as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, object]) -> Preparation:
        """Return the preparation from the result of ``as_json``; unknown keys raise RequestError."""
        known = [field.name for field in fields(cls)]
        for key in content:
            if key not in known:
                raise RequestError(
                    code="preparation_key_unknown",
                    rule=f"unknown preparation key {key!r}{suggestion(key, known)}",
                    remedy=f"known are {', '.join(known)}",
                )
        return cls(**content)  # type: ignore[arg-type]  # the values are checked in __post_init__


class Box(NamedTuple):
    """A rectangle in pixels of the slice; outside of the slice it is filled with black."""

    top: int
    left: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Frame:
    """Head box and black and white intensities, determined once on an unmodified slice.

    ``found`` is false if no plausible head was detected and the whole slice is used instead.
    """

    box: Box
    black: float
    white: float
    found: bool


def find_frame(image: Slice, preparation: Preparation) -> Frame:
    """Find the head in a slice and its intensity range.

    Explainers compute it once and pass it to ``prepare`` for every perturbation, so that masks cannot move the crop.
    """
    height, width = image.pixels.shape
    working = _working_copy(image)
    head = _find_head(working) if preparation.crop else None
    box = Box(0, 0, height, width) if head is None else _grown(head, preparation.margin, image.pixels.shape)
    percentiles = (preparation.low_percentile, preparation.high_percentile)
    black, white = intensity_range(_cut(image.pixels, box, 0.0), image.bits, percentiles)
    return Frame(_squared(box, image.spacing_mm) if preparation.square else box, black, white, head is not None)


def prepare(image: Slice, preparation: Preparation, frame: Frame | None = None) -> NDArray[np.uint8]:
    """Return the slice as (size, size) uint8: cropped to the head, resized, intensities scaled.

    Shrinking averages areas, enlarging interpolates linearly. Without ``frame``, it is determined on this slice.
    """
    frame = frame or find_frame(image, preparation)
    return to_uint8(crop_resize(image.pixels, frame.box, preparation.size, frame.black), frame.black, frame.white)


def crop_resize(pixels: NDArray[np.float32], box: Box, size: int, beyond: float) -> NDArray[np.float32]:
    """Return the box of pixels (H, W) float32 resized to (size, size) float32, filled with ``beyond`` outside.

    Linear in the pixels: with ``beyond`` 0, the result of a sum of images is the sum of their results.
    """
    cut = _cut(pixels, box, beyond)
    shrinking = cut.shape[0] >= size and cut.shape[1] >= size
    how = cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(cut, (size, size), interpolation=how), np.float32)


def _working_copy(image: Slice) -> NDArray[np.uint8]:
    """Return an 8-bit copy for head detection."""
    pixels = image.pixels
    if image.bits > 8:
        black, white = np.percentile(pixels, (0.5, 99.5))
        pixels = (pixels - black) * (255 / max(white - black, 1e-12))
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _find_head(working: NDArray[np.uint8]) -> Box | None:
    """Return the bounding box of the largest bright object on a dark background, if it is plausible as a head.

    Bright bars beside the slice, as in screenshots, and a thin bright frame around it are removed first.
    """
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


def _is_bright_bar(lines: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which lines (n, m) uint8 are bright and uniform."""
    return np.asarray((lines.min(axis=1) > _BRIGHT_BACKGROUND) & (lines.std(axis=1) < _ONE_TONE))


def _largest_object(working: NDArray[np.uint8], background: float) -> Box | None:
    """Return the bounding box of the largest object by Otsu's threshold on the square root of intensities.

    The square root reduces the contrast between grey tissue and bright fat, so that dark images are not cropped to
    their bright parts.
    """
    bright = max(_percentile(working, 99) - background, 1.0)
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


def _percentile(working: NDArray[np.uint8], percent: float) -> float:
    """Return the result of np.percentile from the histogram of 256 tones, which is much faster."""
    below = np.cumsum(cv2.calcHist([working], [0], None, [256], (0, 256)).ravel(), dtype=np.float64)
    rank = percent / 100 * (working.size - 1)
    low, high = np.searchsorted(below, [np.floor(rank), np.ceil(rank)], side="right")
    return float(low + (high - low) * (rank % 1))


def _grown(box: Box, margin: float, shape: tuple[int, ...]) -> Box:
    grow = round(margin * max(box.height, box.width))
    top, left = max(0, box.top - grow), max(0, box.left - grow)
    bottom = min(shape[0], box.top + box.height + grow)
    right = min(shape[1], box.left + box.width + grow)
    return Box(top, left, bottom - top, right - left)


def _squared(box: Box, spacing_mm: tuple[float, float] | None) -> Box:
    """Return the box grown to a square, in pixels, or in millimetres if row and column spacing differ."""
    rows, columns = spacing_mm or (1.0, 1.0)
    if not 1 / _STRETCHED < rows / columns < _STRETCHED:
        side_mm = max(box.height * rows, box.width * columns)
        height, width = max(box.height, round(side_mm / rows)), max(box.width, round(side_mm / columns))
    else:
        height = width = max(box.height, box.width)
    return Box(box.top - (height - box.height) // 2, box.left - (width - box.width) // 2, height, width)


def _cut(pixels: NDArray[np.float32], box: Box, fill: float) -> NDArray[np.float32]:
    height, width = pixels.shape
    top, left = max(0, box.top), max(0, box.left)
    bottom, right = min(height, box.top + box.height), min(width, box.left + box.width)
    inner = pixels[top:bottom, left:right]
    if inner.shape == (box.height, box.width):
        return inner
    out = np.full((box.height, box.width), fill, np.float32)
    out[top - box.top : bottom - box.top, left - box.left : right - box.left] = inner
    return out
