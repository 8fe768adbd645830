"""Baselines for perturbation: the head mask of a slice, and the pixels that replace removed pieces."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError, suggestion
from gadolin.explanations.explained_slice import ExplainedSlice
from gadolin.preprocessing.head_detection import find_head, within_hull
from gadolin.preprocessing.prepare import Frame
from gadolin.records import Slice

__all__ = ["FILLS", "Picture", "filled", "head_mask", "head_tones", "onto_pixels"]

_BLUR = 0.08  # of the head's side: standard deviation
_RADIUS = 3  # pixels, of inpainting
_WORKING = 256  # pixels: side at which the head is located

Picture = NDArray[np.float32]


def head_tones(image: Slice, frame: Frame) -> tuple[Picture, NDArray[np.bool_]]:
    """Return the cropped slice in [0, 1], (h, w), at most 256 pixels a side, and its head mask (h, w) bool."""
    tones = _tones(image, frame)
    factor = min(1.0, _WORKING / max(tones.shape))
    height, width = (max(1, round(side * factor)) for side in tones.shape)
    small = np.asarray(cv2.resize(tones, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return small, _head(small)


def head_mask(image: Slice, frame: Frame) -> NDArray[np.bool_]:
    """Return the head mask on the pixels of the slice, (H, W) bool; ``frame`` is the position of its head."""
    _, head = head_tones(image, frame)
    return onto_pixels(head.astype(np.int32), image, frame) > 0


def onto_pixels(numbers: NDArray[np.int32], image: Slice, frame: Frame) -> NDArray[np.int32]:
    """Map integer labels (h, w) on the grid of ``head_tones`` to the pixels of the slice (H, W), -1 outside."""
    whole = np.full(image.pixels.shape, -1, np.int32)
    inside = _framed(image, frame)
    height, width = whole[inside].shape
    large = cv2.resize(numbers.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    whole[inside] = large.astype(np.int32)
    return whole


def filled(subject: ExplainedSlice, head: NDArray[np.bool_], fill: str) -> Picture:
    """Return the slice (H, W) float32 with every pixel of the ``head`` (H, W) bool replaced.

    ``fill`` is the replacement: "blur", the blurred slice; "mean", the mean intensity of the head; "inpaint", the rim
    of the head continued inwards (Telea 2004). Raises RequestError for another name.
    """
    if fill not in FILLS:
        raise RequestError(
            code="fill_unknown",
            rule=f"the fill must be one of {', '.join(FILLS)}",
            got=f"got {fill!r}{suggestion(fill, FILLS)}",
        )
    box = subject.frame.box
    return np.asarray(FILLS[fill](subject.image.pixels, head, _BLUR * max(box.height, box.width)), np.float32)


def _tones(image: Slice, frame: Frame) -> Picture:
    """Return the intensities within the frame's box and the picture, in [0, 1]."""
    black, white = frame.black, frame.white
    inside = image.pixels[_framed(image, frame)]
    return np.asarray(np.clip((inside - black) / max(white - black, 1e-12), 0, 1), np.float32)


def _framed(image: Slice, frame: Frame) -> tuple[slice, slice]:
    """Return the rows and columns of the slice within the frame's box."""
    box, (height, width) = frame.box, image.pixels.shape
    rows = slice(max(box.top, 0), min(box.top + box.height, height))
    return rows, slice(max(box.left, 0), min(box.left + box.width, width))


def _head(tones: Picture) -> NDArray[np.bool_]:
    """Return the convex hull of the largest bright component, (H, W) bool."""
    smooth = cv2.GaussianBlur(np.rint(255 * tones).astype(np.uint8), (0, 0), max(tones.shape) / 128)
    return within_hull(find_head(np.asarray(smooth, np.uint8)), tones.shape) > 0


def _blurred(pixels: Picture, head: NDArray[np.bool_], sigma: float) -> Picture:
    """Return the slice blurred within the head, excluding the black background."""
    inside = cv2.GaussianBlur(np.where(head, pixels, np.float32(0)), (0, 0), sigma)
    share = cv2.GaussianBlur(head.astype(np.float32), (0, 0), sigma)
    return np.asarray(inside / np.maximum(share, 1e-3), np.float32)


def _mean(pixels: Picture, head: NDArray[np.bool_], _: float) -> Picture:
    return np.full_like(pixels, pixels[head].mean())


def _inpainted(pixels: Picture, head: NDArray[np.bool_], _: float) -> Picture:
    """Return the slice with the inside of the head continued inwards from its rim."""
    rim = cv2.erode(head.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=max(1, round(0.02 * head.shape[0])))
    low, high = float(pixels.min()), float(pixels.max())
    bytes_ = np.rint((pixels - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
    painted = cv2.inpaint(bytes_, rim, _RADIUS, cv2.INPAINT_TELEA).astype(np.float32)
    return np.asarray(painted * np.float32((high - low) / 255) + np.float32(low), np.float32)


FILLS: dict[str, Callable[[Picture, NDArray[np.bool_], float], Picture]] = {
    "blur": _blurred,
    "mean": _mean,
    "inpaint": _inpainted,
}
