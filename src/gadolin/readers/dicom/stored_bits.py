"""Convert the words of a file to pixel values (PS3.5, 8.1.1) by high bit, bits stored and sign.

Headers often have these wrong, which makes the image wrap around from brightest to darkest between neighbours. If bits
beside the stored ones are set, or values occur at both ends of the type's range, every interpretation is tried; one
that differs from the header is used if its neighbouring pixels differ less.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Values", "stored_values"]

_SMOOTHER: Final = 0.8  # of the roughness by the header: below it the other sign is correct
_WRAP: Final = 0.2  # of a step: wrapped images jump by 0.34 to 0.8 of it, overlays on a smooth image by up to 0.07
_ENDS: Final = 16  # either end of a word's range is 1 / 16 of it
_LEAST: Final = 16  # distinct values at either end that indicate a wrap instead of padding or a caption


class Values(NamedTuple):
    """Pixel values, their number of bits, and whether they are signed."""

    pixels: NDArray[Any]
    bits: int
    signed: bool


def stored_values(
    pixels: NDArray[np.integer[Any]], stored: int, high: int, *, signed: bool, overlaid: bool = False
) -> Values:
    """Return the values of ``pixels``, whole words whose ``stored`` bits end at bit ``high``.

    ``overlaid``: the header declares that the other bits hold an overlay.
    """
    width = 8 * pixels.dtype.itemsize
    words = pixels.view(f"u{pixels.dtype.itemsize}") if pixels.dtype.kind == "i" else pixels
    if stored == width:
        return _whole(words, signed=signed)
    shift, mask, top = high + 1 - stored, (1 << stored) - 1, int(words.max())
    if shift == 0 and not signed and top <= mask:
        return Values(words, stored, False)
    if shift and top <= mask and not overlaid:
        shift = 0  # the values occupy the lowest bits, despite the high bit of the header
    if signed and shift == 0:
        as_signed = words.view(f"i{words.dtype.itemsize}")
        if -(mask + 1) // 2 <= int(as_signed.min()) and int(as_signed.max()) <= mask // 2:
            return Values(as_signed, stored, True)
    field = (words >> shift) & words.dtype.type(mask)
    declared = Values(_with_sign(field, stored) if signed else field, stored, signed)
    if shift or overlaid:
        return declared
    others = [Values(words, width, False), Values(words.view(f"i{words.dtype.itemsize}"), width, True)]
    best = min(others, key=lambda each: _roughness(each.pixels))
    if top > mask:
        return best if _is_wrapped(best.pixels, declared.pixels, 1 << stored) else declared
    return best if _roughness(best.pixels) < _roughness(declared.pixels) else declared


def _with_sign(field: NDArray[Any], bits: int) -> NDArray[Any]:
    """Return ``bits``-bit fields as two's complement values."""
    wide: NDArray[Any] = field.astype(np.int64 if bits > 31 else np.int32)
    signs: NDArray[Any] = (wide >> (bits - 1)) << bits
    wide -= signs
    return wide


def _whole(words: NDArray[Any], *, signed: bool) -> Values:
    """Return words that use all bits; with the opposite sign if they clearly wrap around by the header."""
    width = 8 * words.dtype.itemsize
    with_sign = words.view(f"i{words.dtype.itemsize}")
    declared, other = Values(words, width, False), Values(with_sign, width, True)
    if signed:
        declared, other = other, declared
    if width != 16 or not _at_both_ends(declared.pixels):
        return declared
    return other if _roughness(other.pixels) < _SMOOTHER * _roughness(declared.pixels) else declared


def _at_both_ends(pixels: NDArray[Any]) -> bool:
    """Return whether many values are at both ends of the type's range, which a wrong sign causes."""
    kind = np.iinfo(pixels.dtype)
    end = (int(kind.max) - int(kind.min) + 1) // _ENDS
    low, high = int(kind.min) + end, int(kind.max) - end
    if int(pixels.max()) < high or int(pixels.min()) > low:
        return False
    return all(len(np.unique(end)) >= _LEAST for end in (pixels[pixels >= high], pixels[pixels <= low]))


def _is_wrapped(whole: NDArray[Any], cut: NDArray[Any], step: int) -> bool:
    """Return whether ``whole`` is smooth where its truncated values ``cut`` jump by ``step``, which means wrap-around.

    An overlay in the high bits also causes steps, but at places where the image below is smooth.
    """
    jumps, apart = 0.0, 0
    for axis in (0, 1):
        smooth, jumping = (np.diff(each.astype(np.float64), axis=axis) for each in (whole, cut))
        stepped = np.abs(smooth - jumping) == step
        jumps += float(np.abs(jumping[stepped]).sum())
        apart += int(np.count_nonzero(stepped))
    return jumps > _WRAP * step * apart


def _roughness(pixels: NDArray[Any]) -> float:
    """Return the absolute difference of neighbours, summed over rows and columns."""
    values: NDArray[np.float64] = pixels.astype(np.float64)
    return float(np.abs(np.diff(values, axis=0)).sum() + np.abs(np.diff(values, axis=1)).sum())
