"""From the words of a file to the values that its pixels mean (PS3.5, 8.1.1): high bit, bits stored and sign.

A header often errs in these, and what it tells then gives a picture that wraps around: from the brightest to the
darkest between two neighbours. Where bits beside the stored ones are set, or values lie at both ends of a type's range,
each way to take the words is tried, and another than the header's is taken where neighbours differ less in it.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Values", "stored_values"]

_SMOOTHER: Final = 0.8  # of the header's roughness: below it the other sign is the right one
_WRAP: Final = (
    0.2  # of a step: pictures that wrap around jump by 0.34 to 0.8 of it, find_unlisted overlays by up to 0.07
)
_ENDS: Final = 16  # of a word's range is 1 / 16 at either end
_LEAST: Final = 16  # different values at either end that make a wrap, not a padding or a caption


class Values(NamedTuple):
    """The values of the pixels, how many bits they have, and whether these hold a sign."""

    pixels: NDArray[Any]
    bits: int
    signed: bool


def stored_values(
    pixels: NDArray[np.integer[Any]], stored: int, high: int, *, signed: bool, overlaid: bool = False
) -> Values:
    """Return what ``pixels``, whole words, mean where ``stored`` bits end at the bit ``high``.

    ``overlaid``: the header says that the other bits hold something else.
    """
    width = 8 * pixels.dtype.itemsize
    words = pixels.view(f"u{pixels.dtype.itemsize}") if pixels.dtype.kind == "i" else pixels
    if stored == width:
        return _whole(words, signed=signed)
    shift, mask, top = high + 1 - stored, (1 << stored) - 1, int(words.max())
    if shift == 0 and not signed and top <= mask:
        return Values(words, stored, False)
    if shift and top <= mask and not overlaid:
        shift = 0  # the values occupy the lowest bits, whatever the header says of the highest bit
    if signed and shift == 0:
        taken = words.view(f"i{words.dtype.itemsize}")
        if -(mask + 1) // 2 <= int(taken.min()) and int(taken.max()) <= mask // 2:
            return Values(taken, stored, True)
    field = (words >> shift) & words.dtype.type(mask)
    meant = Values(_with_sign(field, stored) if signed else field, stored, signed)
    if shift or overlaid:
        return meant
    others = [Values(words, width, False), Values(words.view(f"i{words.dtype.itemsize}"), width, True)]
    best = min(others, key=lambda each: _roughness(each.pixels))
    if top > mask:
        return best if _goes_on(best.pixels, meant.pixels, 1 << stored) else meant
    return best if _roughness(best.pixels) < _roughness(meant.pixels) else meant


def _with_sign(field: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return values of two's complement in ``bits`` bits."""
    wide: NDArray[Any] = field.astype(np.int64 if bits > 31 else np.int32)
    signs: NDArray[Any] = (wide >> (bits - 1)) << bits
    wide -= signs
    return wide


def _whole(words: NDArray[Any], *, signed: bool) -> Values:
    """Return words whose bits all are stored; the other sign where they plainly wrap around with the header's."""
    width = 8 * words.dtype.itemsize
    with_sign = words.view(f"i{words.dtype.itemsize}")
    meant, other = Values(words, width, False), Values(with_sign, width, True)
    if signed:
        meant, other = other, meant
    if width != 16 or not _at_both_ends(meant.pixels):
        return meant
    return other if _roughness(other.pixels) < _SMOOTHER * _roughness(meant.pixels) else meant


def _at_both_ends(pixels: NDArray[Any]) -> bool:
    """Return whether many values lie at both ends of a type's range, as they do where the sign is taken wrongly."""
    kind = np.iinfo(pixels.dtype)
    end = (int(kind.max) - int(kind.min) + 1) // _ENDS
    low, high = int(kind.min) + end, int(kind.max) - end
    if int(pixels.max()) < high or int(pixels.min()) > low:
        return False
    return all(len(np.unique(there)) >= _LEAST for there in (pixels[pixels >= high], pixels[pixels <= low]))


def _goes_on(whole: NDArray[Any], cut: NDArray[Any], step: int) -> bool:
    """Return whether a picture goes on where its ``cut`` values wrap around, ``step`` apart from the whole ones.

    Where two neighbours do, the cut ones lie far apart. What lies above a picture and is no part of it, such as an
    overlay, makes its steps where the picture find_unlisted is as smooth as elsewhere.
    """
    jumps, apart = 0.0, 0
    for axis in (0, 1):
        there, here = (np.diff(each.astype(np.float64), axis=axis) for each in (whole, cut))
        stepped = np.abs(there - here) == step
        jumps += float(np.abs(here[stepped]).sum())
        apart += int(np.count_nonzero(stepped))
    return jumps > _WRAP * step * apart


def _roughness(pixels: NDArray[Any]) -> float:
    """Return how much neighbours differ, summed over rows and columns."""
    values: NDArray[np.float64] = pixels.astype(np.float64)
    return float(np.abs(np.diff(values, axis=0)).sum() + np.abs(np.diff(values, axis=1)).sum())
