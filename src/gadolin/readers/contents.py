"""Contents of an opened file before its pixels are decoded, and the limits for all formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gadolin.errors import ReadError, TooLargeError, UnknownFormatError
from gadolin.readers.pseudonyms import pseudonym
from gadolin.records import Slice

__all__ = [
    "CHANNELS",
    "MAX_PIXELS",
    "MAX_VOLUME_BYTES",
    "MIN_SIDE",
    "VERSION",
    "Contents",
    "Place",
    "at_most",
    "background_for_nan",
    "check_size",
    "deep_to_grey",
    "left_out",
    "require_finite",
    "require_frame",
    "require_one_frame",
    "to_grey",
    "variant_not_read",
]

VERSION = 4
"""Version of all readers; raise it when a file yields other pixels than before, so that caches become invalid."""
MAX_PIXELS = 64_000_000  # per slice
MAX_VOLUME_BYTES = 1024 * 1024 * 1024  # of a decompressed file
MIN_SIDE = 16  # pixels
CHANNELS = 3  # of a colour image

_MOST = ContextVar("_MOST", default=MAX_PIXELS)
_COLOURED = 24  # of 255: largest difference of two channels in a grey pixel
_COLOURED_SHARE = 0.02  # of all pixels


class Place(NamedTuple):
    """Position of a file in a scanner's series.

    ``series`` identifies the series, ``number`` is its number for display. ``position`` (mm, or None) is measured along
    ``direction``, the normal of the plane; ``instance`` is the instance number, ``description`` that of the series.
    """

    series: str
    number: str
    position: float | None
    direction: tuple[float, float, float]
    instance: int
    description: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """An opened file: the header is read and checked, the pixels are not.

    ``decode`` returns the slice with an index in [0, ``slices``), in anatomical order; it raises ReadError if the
    pixels are damaged. ``sequence`` returns the MRI sequence of an index from the header, or "". ``outline`` returns
    the lesion mask, (H, W) bool, if the file holds masks. ``channels`` returns a single channel of a colour image, for
    data sets that store one sequence in each channel; the frame of a record selects it. ``label`` is the class stored
    in the file, or empty. ``place`` is the position in a scanner's series. ``stored_frame`` returns the index in the
    file of an index in anatomical order, both from 0. ``omit`` is the reason why folder reading skips this file.
    """

    kind: str
    slices: int
    decode: Callable[[int], Slice]
    sequence: Callable[[int], str] = lambda _number: ""
    label: str = ""
    outline: Callable[[int], NDArray[np.bool_]] | None = None
    channels: Callable[[int], Slice] | None = None
    place: Place | None = None
    stored_frame: Callable[[int], int] = lambda number: number
    omit: ReadError | None = None
    patient_id: str = field(default="", repr=False)
    clinical: bool = field(default=False, repr=False)

    @property
    def outlined(self) -> bool:
        """Whether the file holds lesion masks."""
        return self.outline is not None

    @property
    def patient(self) -> str:
        """The patient, hashed with the local key if the file is clinical; empty if unknown."""
        return pseudonym(self.patient_id) if self.clinical and self.patient_id else self.patient_id


def left_out(kind: str, why: ReadError) -> Contents:
    """Return the contents of a file without a slice to classify: folders skip it, and decoding raises ReadError."""

    def refuse(_number: int) -> Slice:
        raise why

    return Contents(kind=kind, slices=1, decode=refuse, omit=why)


@contextmanager
def at_most(pixels: int) -> Iterator[None]:
    """Within the block, refuse slices with more than ``pixels`` according to the header, before decoding."""
    before = _MOST.set(min(pixels, MAX_PIXELS))
    try:
        yield
    finally:
        _MOST.reset(before)


def check_size(width: int, height: int) -> None:
    """Raise ReadError for an image with a side below MIN_SIDE, or with more pixels than MAX_PIXELS or ``at_most``."""
    most = _MOST.get()
    if width * height > most:
        raise TooLargeError(
            code="too_many_pixels",
            rule=f"an image may have at most {most:,} pixels",
            got=f"this one has {width:,} x {height:,}",
            remedy="scale it down",
        )
    if min(width, height) < MIN_SIDE:
        raise ReadError(
            code="too_few_pixels",
            rule=f"an image must measure at least {MIN_SIDE} pixels a side",
            got=f"this one has {width} x {height}",
            remedy="use the original",
        )


def require_frame(frame: int, slices: int, kind: str) -> None:
    """Raise ReadError if ``frame`` is not in [0, ``slices``)."""
    if not 0 <= frame < slices:
        raise ReadError(
            code="frame_out_of_range",
            rule=f"a frame must be between 0 and {slices - 1} in this {kind} file",
            got=f"got {frame}",
            remedy="correct it",
        )


def variant_not_read(format_name: str, held: str) -> UnknownFormatError:
    """Return the error for a variant of a known format that no decoder here supports."""
    return UnknownFormatError(
        code="variant_not_read",
        rule=f"a {format_name} must be of a supported variant",
        got=f"this one holds {held}",
        remedy="save it as a grey PNG of 8 or 16 bits",
    )


def require_one_frame(frames: int, counted: str = "") -> None:
    """Raise ReadError for an image of several frames; ``counted`` is their number as text."""
    if frames > 1:
        raise ReadError(
            code="several_frames",
            rule="an image must hold one frame",
            got=f"this one holds {counted or frames}",
            remedy="save them as separate files",
        )


def require_finite(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pixels`` unchanged; raise ReadError if one is NaN or infinite."""
    if not np.isfinite(pixels).all():
        raise ReadError(
            code="pixels_not_finite",
            rule="pixels must be finite numbers",
            got="this image holds NaN or infinity",
            remedy="export it again",
        )
    return pixels


def background_for_nan(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pixels`` with NaN (outside of the image) replaced by zero, or by the minimum if that is below zero.

    Raises ReadError if a pixel is infinite (an overflow), or if all are NaN.
    """
    missing = np.isnan(pixels)
    if not missing.any() or missing.all():
        return require_finite(pixels)
    return require_finite(np.where(missing, np.minimum(np.float32(0), np.nanmin(pixels)), pixels))


def deep_to_grey(colours: NDArray[Any]) -> tuple[NDArray[np.float32], bool]:
    """Return the luma, (H, W) float32, of ``colours`` (H, W, 3) of more than 8 bits, and whether it is a colour image.

    The luma has the units of ``colours`` and equals the channels exactly where they agree. The tolerance is relative to
    the brightest value, with the ratio of ``to_grey``, since a file may use less than its declared depth.
    """
    red, green, blue = (colours[..., band] for band in range(3))
    low, high = np.minimum(np.minimum(red, green), blue), np.maximum(np.maximum(red, green), blue)
    luma = low.astype(np.float64)
    differs = high > low
    if differs.any():
        weighed = colours[differs].astype(np.float64) @ np.array([0.299, 0.587, 0.114])
        luma[differs] = np.rint(weighed) if colours.dtype.kind in "iu" else weighed
    spread = high.astype(np.float64) - low
    known = high[np.isfinite(high)]
    bound = _COLOURED / 255 * float(known.max(initial=0))
    coloured = bool(np.count_nonzero(spread > bound) > _COLOURED_SHARE * spread.size)
    return luma.astype(np.float32), coloured


def to_grey(picture: Image.Image) -> tuple[NDArray[np.float32], bool]:
    """Return the luma, (H, W) float32 in [0, 255] (ITU-R BT.601), of an RGB image, and whether it is a colour image."""
    red, green, blue = (np.asarray(band) for band in picture.split())
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    coloured = bool(np.count_nonzero(spread > _COLOURED) > _COLOURED_SHARE * spread.size)
    return np.asarray(picture.convert("L"), np.float32), coloured
