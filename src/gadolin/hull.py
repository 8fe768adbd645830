"""The convex hull of the largest bright thing in a picture: where the head is."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["largest_hull"]


def largest_hull(bright: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return (H, W) uint8, 1 within the convex hull of the largest connected part of ``bright`` (H, W) bool, else 0."""
    contours, _ = cv2.findContours(bright.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    filled = np.zeros(bright.shape, np.uint8)
    if contours:
        cv2.fillPoly(filled, [cv2.convexHull(max(contours, key=cv2.contourArea))], 1)
    return filled
