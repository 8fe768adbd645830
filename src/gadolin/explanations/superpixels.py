"""Superpixels of a head, and what a slice looks like without some of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import MissingExtraError, RequestError, suggestion
from gadolin.explanations.subject import Subject
from gadolin.hull import largest_hull

__all__ = ["FILLS", "Superpixels", "superpixels"]

_AIR = 0.35  # of Otsu's threshold: what is darker is no head
_COMPACTNESS = 0.1  # of SLIC, for tones in [0, 1]
_BLUR = 0.08  # of the head's side: standard deviation
_RADIUS = 3  # pixels, of inpainting
_WORKING = 256  # pixels: side of what SLIC sees
_BATCH = 32

Picture = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Superpixels:
    """A slice in P pieces: ``labels`` (H, W) int32 from 0 to P - 1, -1 where nothing is explained.

    ``without`` (H, W) float32 is what a pixel shows where its piece is taken away.
    """

    subject: Subject
    labels: NDArray[np.int32]
    count: int
    without: Picture

    def answers(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return (S,) the probability of the class with only the pieces of each row of ``kept`` (S, P) as they are."""
        shown, target = self.subject.image.pixels, self.subject.target
        found = np.empty(len(kept))
        for start in range(0, len(kept), _BATCH):
            rows = np.pad(kept[start : start + _BATCH], ((0, 0), (0, 1)), constant_values=True)
            pictures = np.where(rows[:, self.labels], shown, self.without)
            found[start : start + _BATCH] = self.subject.predict(pictures)[:, target]
        return found

    def heat(self, worth: NDArray[np.float64]) -> Picture:
        """Return (H, W) float32 in which each piece has its worth (P,), 0 outside."""
        return np.append(worth, 0.0).astype(np.float32)[self.labels]


def superpixels(subject: Subject, *, count: int = 60, fill: str = "blur") -> Superpixels:
    """Cut the head into about ``count`` pieces of like tone (masked SLIC: Achanta et al. 2012, Irving 2016).

    ``fill`` names what is seen in place of a piece: "blur", the blurred slice; "mean", the mean tone of the head;
    "inpaint", what the head's rim continues into (Telea 2004). Raises RequestError for fewer than 2 pieces or an
    unknown fill, MissingExtraError without scikit-image.
    """
    if count < 2:
        msg = f"a head is cut into 2 superpixels or more, got {count}; 60 is the usual choice"
        raise RequestError(msg)
    if fill not in FILLS:
        msg = f"the fill must be one of {', '.join(FILLS)}, got {fill!r}{suggestion(fill, FILLS)}"
        raise RequestError(msg)
    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise MissingExtraError(package="scikit-image", extra="explain") from error
    tones = _tones(subject)
    height, width = tones.shape
    factor = min(1.0, _WORKING / max(height, width))
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    small = np.asarray(cv2.resize(tones, size, interpolation=cv2.INTER_AREA), np.float32)
    head = _head(small)
    pieces = slic(small, count, _COMPACTNESS, mask=head, start_label=0, channel_axis=None, enforce_connectivity=True)
    numbers, labels = np.unique(np.where(head, pieces, -1), return_inverse=True)
    places = labels.reshape(small.shape).astype(np.float32) - np.float32(numbers[0] == -1)
    box = subject.frame.box
    whole = np.full(subject.image.pixels.shape, -1, np.int32)
    top, left = max(box.top, 0), max(box.left, 0)
    large = cv2.resize(places, (width, height), interpolation=cv2.INTER_NEAREST_EXACT)
    whole[top : top + height, left : left + width] = large.astype(np.int32)
    without = np.asarray(FILLS[fill](subject.image.pixels, whole >= 0, _BLUR * max(box.height, box.width)), np.float32)
    return Superpixels(subject, whole, int(whole.max()) + 1, without)


def _tones(subject: Subject) -> Picture:
    """Return the tones within the frame's box, as far as the picture reaches, in [0, 1]."""
    box, black, white = subject.frame.box, subject.frame.black, subject.frame.white
    pixels = subject.image.pixels
    inside = pixels[
        max(box.top, 0) : min(box.top + box.height, pixels.shape[0]),
        max(box.left, 0) : min(box.left + box.width, pixels.shape[1]),
    ]
    return np.asarray(np.clip((inside - black) / max(white - black, 1e-12), 0, 1), np.float32)


def _head(tones: Picture) -> NDArray[np.bool_]:
    """Return the convex hull of the largest bright thing, (H, W) bool."""
    smooth = cv2.GaussianBlur(np.rint(255 * tones).astype(np.uint8), (0, 0), max(tones.shape) / 128)
    threshold, _ = cv2.threshold(smooth, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return largest_hull(smooth > _AIR * threshold) > 0


def _blurred(pixels: Picture, head: NDArray[np.bool_], sigma: float) -> Picture:
    """Return the slice blurred within the head, so that no black from outside comes in."""
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
