"""Convert multi-channel images to greyscale: colours to luma, alpha over black."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gadolin.errors import ReadError
from gadolin.readers.contents import deep_to_grey, to_grey

__all__ = ["flattened", "hidden", "turned"]


def flattened(
    colours: NDArray[Any], alpha: NDArray[Any] | None, *, top: float, multiplied: bool = False
) -> tuple[NDArray[np.float32], bool]:
    """Return (H, W) float32 in the units of ``colours`` (H, W, 1 or 3), and whether it is a colour image.

    ``alpha`` (H, W) in 0 to ``top`` is applied over black, unless ``multiplied``: the colours already include it.
    Raises ReadError if it hides the whole image.
    """
    if alpha is not None:
        if not alpha.any() and (colours != colours[:1, :1]).any():
            raise hidden()
        if not multiplied:
            shown = colours * (alpha[..., None] / np.float64(top))
            colours = np.rint(shown).astype(colours.dtype) if colours.dtype.kind in "iu" else shown
    if colours.shape[2] == 1:
        return colours[..., 0].astype(np.float32), False
    if colours.dtype == np.uint8:
        return to_grey(Image.fromarray(np.ascontiguousarray(colours)))
    return deep_to_grey(colours)


def hidden() -> ReadError:
    """Return the error for an image that is fully transparent but not empty."""
    return ReadError(
        code="hidden_by_alpha",
        rule="an image must be visible",
        got="the alpha channel of this one hides all of it",
        remedy="save it without the alpha channel",
    )


def turned(pixels: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Return the pixels upright, (H, W) or (W, H), by the ``orientation`` of EXIF and TIFF, 1 to 8."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.T
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return np.ascontiguousarray(pixels)
