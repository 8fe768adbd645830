"""Bars along the sides of an image, as in screenshots and slides."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["inside_bars"]

Lines = NDArray[np.uint8]


def inside_bars(picture: Lines, is_bar: Callable[[Lines], NDArray[np.bool_]]) -> tuple[slice, slice]:
    """Return the rows and columns of an image (H, W) uint8 without the bars along its sides.

    ``is_bar`` takes lines (n, m) uint8 and returns which of them (n,) belong to a bar. Bars are removed from all four
    sides repeatedly, as long as at least half of the height and of the width remains; if all lines are bars, none is
    removed.
    """
    height, width = picture.shape
    top, bottom, left, right = 0, height, 0, width
    while True:
        inner = picture[top:bottom, left:right]
        above, below = _leading(inner, is_bar), _leading(inner[::-1], is_bar)
        before, after = _leading(inner.T, is_bar), _leading(inner.T[::-1], is_bar)
        rows, columns = (top + above, bottom - below), (left + before, right - after)
        too_much = 2 * (rows[1] - rows[0]) < height or 2 * (columns[1] - columns[0]) < width
        if too_much or not above + below + before + after:
            return slice(top, bottom), slice(left, right)
        (top, bottom), (left, right) = rows, columns


def _leading(lines: Lines, is_bar: Callable[[Lines], NDArray[np.bool_]]) -> int:
    """Return how many leading lines belong to a bar; 0 if all do."""
    start, count = 0, 1  # most images have no bars: check one line first, then doubling blocks
    while start < len(lines):
        inside = is_bar(lines[start : start + count])
        if not inside.all():
            return start + int(inside.argmin())
        start, count = start + count, 2 * count
    return 0
