"""Baseline maps that use no model; a method that does not beat them is not informative."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from gadolin.explanations.explained_slice import Heat
from gadolin.preprocessing.head_detection import find_head, within_hull
from gadolin.preprocessing.prepare import Frame
from gadolin.records import Slice

__all__ = ["PRIORS"]

_WIDTH = 0.2  # of the head's side: standard deviation of the centre's Gaussian
_SMOOTH = 0.03  # of the head's side
_FAINT = 0.08  # of the range from black to white: darker pixels are background


def _random(image: Slice, _: Frame, seed: int) -> Heat:
    return np.random.default_rng(seed).random(image.pixels.shape, np.float32)


def _centre(image: Slice, frame: Frame, _: int) -> Heat:
    """Return a Gaussian at the middle of the head."""
    box = frame.box
    rows = np.arange(image.pixels.shape[0]) - (box.top + (box.height - 1) / 2)
    columns = np.arange(image.pixels.shape[1]) - (box.left + (box.width - 1) / 2)
    spread = 2 * (_WIDTH * max(box.height, box.width)) ** 2
    return np.exp(-(rows[:, None] ** 2 + columns[None] ** 2) / spread).astype(np.float32)


def _tissue(image: Slice, frame: Frame, _: int) -> Heat:
    """Return 1 inside the head, eroded to exclude skull and scalp, and 0 outside."""
    box = frame.box
    faint = frame.black + _FAINT * (frame.white - frame.black)
    head = within_hull(find_head(image.pixels, above=faint), image.pixels.shape)
    side = max(3, round(0.16 * max(box.height, box.width)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.erode(head, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(np.float32)


def _edges(image: Slice, frame: Frame, _: int) -> Heat:
    """Return the smoothed edge strength (Sobel) inside the brain, a measure of conspicuity."""
    pixels = image.pixels.astype(np.float32)
    strength = np.hypot(cv2.Sobel(pixels, cv2.CV_32F, 1, 0), cv2.Sobel(pixels, cv2.CV_32F, 0, 1))
    sigma = max(1.0, _SMOOTH * max(frame.box.height, frame.box.width))
    return np.asarray(cv2.GaussianBlur(strength, (0, 0), sigma) * _tissue(image, frame, 0), np.float32)


PRIORS: dict[str, Callable[[Slice, Frame, int], Heat]] = {
    "random": _random,
    "centre": _centre,
    "brain": _tissue,
    "edges": _edges,
}
"""Each returns heat (H, W) float32 from a slice, the frame of its head, and a seed."""
