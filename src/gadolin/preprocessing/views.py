"""Small views of slices for the probes: unchanged, background only, tumour removed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.preprocessing.head_detection import find_head, within_hull

__all__ = ["BACKGROUND", "SIDE", "background", "head_mask", "painted_out", "shrunk", "thumbnails"]

SIDE = 64
_THUMB = 16
_PATCHES = 8
_FEWEST = 32  # of 64 x 64 pixels
_RADIUS = 3  # inpainting radius in pixels
_AROUND = np.ones((5, 5), np.uint8)  # outlines are drawn by hand, and tumours displace the tissue around them

_TONES = ("mean tone", "spread of tones", "low tones", "middle tone", "high tones", "brightest tones", "pure black")
BACKGROUND = (*_TONES, "grain", *("where it is bright",) * _PATCHES**2)
"""Column names of ``background``."""


def shrunk(slices: NDArray[np.uint8], rows: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return the prepared slices (N, H, H) of ``rows`` averaged to (n, 64, 64) uint8."""
    small = np.empty((len(rows), SIDE, SIDE), np.uint8)
    for place, row in enumerate(rows):
        small[place] = cv2.resize(slices[row], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small


def thumbnails(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return thumbnails of (n, 64, 64) uint8 as rows (n, 256) float32 in [0, 1]."""
    pictures = [cv2.resize(one, (_THUMB, _THUMB), interpolation=cv2.INTER_AREA).ravel() for one in small]
    return np.asarray(np.stack(pictures), np.float32) / np.float32(255)


def head_mask(small: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return the head mask of one slice (64, 64) uint8: the dilated convex hull of its largest bright object."""
    smooth = np.asarray(cv2.GaussianBlur(small, (3, 3), 0), np.uint8)
    head = within_hull(find_head(smooth, opened=3), small.shape)
    return np.asarray(cv2.dilate(head, np.ones((3, 3), np.uint8)) > 0)


def background(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return features of the background, (n, 72) float32 in [0, 1], with the columns of ``BACKGROUND``.

    These are tones, grain, and an 8 x 8 thumbnail whose head is filled with the median of the background, so that a
    uniform background does not reveal the shape of the head. All 0 if there is no background.
    """
    return np.stack(list(_backgrounds(small)))


def painted_out(small: NDArray[np.uint8], coverage: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (n, 64, 64) uint8 with the outlined area inpainted from its surroundings (Telea, 2004).

    ``coverage`` is (n, 64, 64) uint8 on the same grid; a margin of two pixels is inpainted as well.
    """
    return np.stack(
        [
            cv2.inpaint(one, cv2.dilate((mask > 0).astype(np.uint8), _AROUND), _RADIUS, cv2.INPAINT_TELEA)
            for one, mask in zip(small, coverage, strict=True)
        ]
    )


def _backgrounds(small: NDArray[np.uint8]) -> Iterator[NDArray[np.float32]]:
    for one in small:
        head = head_mask(one)
        outside = one[~head].astype(np.float32) / 255
        if outside.size < _FEWEST:
            yield np.zeros(len(BACKGROUND), np.float32)
            continue
        low, middle, high, brightest = np.percentile(outside, (5, 50, 95, 99))
        filled = np.where(head, np.float32(middle), one.astype(np.float32) / 255).astype(np.float32)
        steps = np.abs(np.diff(filled, axis=1))[~head[:, 1:]]
        grain = float(steps.mean()) if steps.size else 0.0
        tones = (outside.mean(), outside.std(), low, middle, high, brightest, (outside == 0).mean(), grain)
        patches = cv2.resize(filled, (_PATCHES, _PATCHES), interpolation=cv2.INTER_AREA)
        yield np.concatenate([np.asarray(tones, np.float32), patches.ravel()])
