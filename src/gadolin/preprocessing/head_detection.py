"""Head detection, shared by all packages: the head is the largest bright object of a slice."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["AIR", "find_head", "within_hull"]

AIR = 0.35
"""Share of Otsu's threshold below which a pixel is air; dark tissue of the head is above."""


def find_head(
    picture: NDArray[np.uint8] | NDArray[np.float32],
    *,
    above: float | None = None,
    of_otsu: float = AIR,
    opened: int = 0,
) -> NDArray[np.int32] | None:
    """Return the contour of the largest connected bright object, (P, 1, 2) int32 of x and y, or None.

    Args:
        picture: (H, W), smoothed by the caller according to its size; uint8 unless ``above`` is given.
        above: Brightness threshold in the units of ``picture``; without it, ``of_otsu`` applies.
        of_otsu: Brightness threshold as a share of Otsu's threshold.
        opened: Side in pixels of the square for a morphological opening, which cuts thin bridges between the head and
            other objects; 0 for none.
    """
    if above is None:
        above = of_otsu * cv2.threshold(picture, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]
    bright = (picture > above).astype(np.uint8)
    if opened:
        bright = np.asarray(cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((opened, opened), np.uint8)), np.uint8)
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(max(outlines, key=cv2.contourArea), np.int32) if outlines else None


def within_hull(outline: NDArray[np.int32] | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return (H, W) uint8 of ``shape``: 1 within the convex hull of a contour, else 0; all 0 for None."""
    filled = np.zeros(shape, np.uint8)
    if outline is not None:
        cv2.fillPoly(filled, [cv2.convexHull(outline)], 1)
    return filled
