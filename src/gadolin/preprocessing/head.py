"""Where the head is in a picture: the largest bright thing. The one head finder, whatever asks for it."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["AIR", "find_head", "within_hull"]

AIR = 0.35
"""Of Otsu's threshold: what is darker is air, so that the whole of a head is above, its dark tissue too."""


def find_head(
    picture: NDArray[np.uint8] | NDArray[np.float32],
    *,
    above: float | None = None,
    of_otsu: float = AIR,
    opened: int = 0,
) -> NDArray[np.int32] | None:
    """Return the outline of the largest connected bright thing, (P, 1, 2) int32 of x and y; None where there is none.

    Args:
        picture: (H, W), smoothed by the caller as its size wants; uint8 where ``above`` is not given.
        above: What is brighter than this is bright, in the units of ``picture``; without it, ``of_otsu``.
        of_otsu: Share of Otsu's threshold above which a picture is bright.
        opened: Side in pixels of the square by which bright things are opened first, so that a thin bridge does not
            join a head to what is beside it; 0 for none.
    """
    if above is None:
        above = of_otsu * cv2.threshold(picture, 0, 1, cv2.THRESH_BINARY | cv2.THRESH_OTSU)[0]
    bright = (picture > above).astype(np.uint8)
    if opened:
        bright = np.asarray(cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((opened, opened), np.uint8)), np.uint8)
    outlines, _ = cv2.findContours(bright, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(max(outlines, key=cv2.contourArea), np.int32) if outlines else None


def within_hull(outline: NDArray[np.int32] | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return (H, W) uint8 of ``shape``, 1 within the convex hull of an outline, else 0; all 0 without one."""
    filled = np.zeros(shape, np.uint8)
    if outline is not None:
        cv2.fillPoly(filled, [cv2.convexHull(outline)], 1)
    return filled
