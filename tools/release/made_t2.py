"""Synthetic T2 from T1 and FLAIR of the same slice, for training: no available source has T2 with outlines.

On T2 fluid is bright, grey matter is brighter than white matter, and lesions look as on FLAIR. T1 is inverted inside
the skull, and FLAIR above the intensity of tissue is added. Air and bone stay dark; the scalp stays as on T1.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_AIR = 0.05  # upper limit in both sequences, as a fraction of the 99th percentile
_SKULL = 0.07  # depth as a fraction of the square root of the head's area


def made_t2(t1: Floats, flair: Floats) -> NDArray[np.uint8]:
    """Return synthetic T2 (H, W) uint8 from T1 and FLAIR (H, W) float32 of the same slice, of any range."""
    t1, flair = (cv2.GaussianBlur(_scaled(one), (0, 0), 0.6) for one in (t1, flair))
    head = _filled((np.maximum(t1, flair) > 2.4 * _AIR).astype(np.uint8))
    depth = cv2.distanceTransform(head, cv2.DIST_L2, 5) / np.sqrt(max(int(head.sum()), 1))
    inside = np.clip((depth - _SKULL) / 0.03, 0, 1)
    tissue = np.clip((np.maximum(t1, flair) - _AIR) / _AIR, 0, 1)
    dark_fluid = np.clip(1 - 0.62 * t1 / _middle(t1, depth), 0, 1)
    lesion = np.clip(flair / _middle(flair, depth) - 1.25, 0, 1)
    shown = inside * tissue * (0.9 * dark_fluid + 0.64 * lesion) + (1 - inside) * 0.6 * t1
    return np.rint(255 * np.clip(shown, 0, 1)).astype(np.uint8)


def _scaled(pixels: Floats) -> Floats:
    """Return pixels (H, W) float32, scaled so that the 99th percentile without air is 1."""
    bright = pixels[pixels > 0.04 * pixels.max()]
    return np.asarray(np.clip(pixels / max(float(np.percentile(bright, 99)), 1e-6), 0, 1), np.float32)


def _filled(head: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the largest component of a mask (H, W) uint8, holes filled."""
    closed = cv2.morphologyEx(head, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
    outer = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0]
    filled = np.zeros_like(closed)
    if outer:
        cv2.drawContours(filled, [max(outer, key=cv2.contourArea)], -1, 1, -1)
    return filled


def _middle(pixels: Floats, depth: Floats) -> float:
    """Return the median intensity of tissue deep inside the head."""
    deep = pixels[(depth > _SKULL + 0.05) & (pixels > 2 * _AIR)]
    return float(np.median(deep)) if deep.size else 0.4
