"""What a file holds, known before its pixels are decoded; the limits that every format keeps."""

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
"""Of all readers: raised whenever a file gives other pixels than before, so that nothing kept of them lives on."""
MAX_PIXELS = 64_000_000  # of one slice
MAX_VOLUME_BYTES = 1024 * 1024 * 1024  # of a decompressed file
MIN_SIDE = 16  # pixels
CHANNELS = 3  # of a picture in colours

_MOST = ContextVar("_MOST", default=MAX_PIXELS)
_COLOURED = 24  # of 255: largest difference of two channels that still passes for grey
_COLOURED_SHARE = 0.02  # of all pixels


class Place(NamedTuple):
    """Where a file lies in a scanner's series.

    ``series`` tells series apart, ``number`` names one for people. ``position`` (mm), None where the file tells none,
    is along ``direction``, the normal of its plane; ``instance`` is its number in the order of acquisition.
    """

    series: str
    number: str
    position: float | None
    direction: tuple[float, float, float]
    instance: int


@dataclass(frozen=True, slots=True, eq=False)
class Contents:
    """An opened file: its header has been read and checked, its pixels have not.

    ``decode`` returns the slice of a number in [0, ``slices``), in anatomical order; it raises ReadError where the
    pixels are damaged. ``sequence`` returns the MRI sequence of a number by the header, or "". ``outline``, where the
    file holds lesion masks, returns (H, W) bool. ``channels`` returns one of the three channels of a picture in colours
    by itself, for collections that keep a sequence in each; a record asks for it by its frame. ``label`` is the class
    that the file itself names, or empty. ``place`` is where it lies in a scanner's series. ``omit`` says why a folder
    leaves this file out.
    """

    kind: str
    slices: int
    decode: Callable[[int], Slice]
    sequence: Callable[[int], str] = lambda _number: ""
    label: str = ""
    outline: Callable[[int], NDArray[np.bool_]] | None = None
    channels: Callable[[int], Slice] | None = None
    place: Place | None = None
    omit: ReadError | None = None
    patient_id: str = field(default="", repr=False)
    clinical: bool = field(default=False, repr=False)

    @property
    def outlined(self) -> bool:
        """Whether the file holds lesion masks."""
        return self.outline is not None

    @property
    def patient(self) -> str:
        """The patient, hashed with the local key where the file comes from a clinic; empty where unknown."""
        return pseudonym(self.patient_id) if self.clinical and self.patient_id else self.patient_id


def left_out(kind: str, why: ReadError) -> Contents:
    """Return the contents of a file that holds no slice to judge: folders omit it, and to decode it is a ReadError."""

    def refuse(_number: int) -> Slice:
        raise why

    return Contents(kind=kind, slices=1, decode=refuse, omit=why)


@contextmanager
def at_most(pixels: int) -> Iterator[None]:
    """Within the block, let no slice have more than ``pixels``, which its header tells before it is decoded."""
    before = _MOST.set(min(pixels, MAX_PIXELS))
    try:
        yield
    finally:
        _MOST.reset(before)


def check_size(width: int, height: int) -> None:
    """Raise ReadError for a picture smaller than MIN_SIDE a side or larger than MAX_PIXELS, or than ``at_most``."""
    most = _MOST.get()
    if width * height > most:
        raise TooLargeError(
            code="too_many_pixels",
            rule=f"a picture may have at most {most:,} pixels",
            got=f"this one has {width:,} x {height:,}",
            remedy="scale it down",
        )
    if min(width, height) < MIN_SIDE:
        raise ReadError(
            code="too_few_pixels",
            rule=f"a picture must measure at least {MIN_SIDE} pixels a side",
            got=f"this one has {width} x {height}",
            remedy="use the original",
        )


def require_frame(frame: int, slices: int, kind: str) -> None:
    """Raise ReadError where a file of so many slices has no slice with the number ``frame``."""
    if not 0 <= frame < slices:
        raise ReadError(
            code="frame_out_of_range",
            rule=f"a frame must lie in 0 to {slices - 1} in this {kind} file",
            got=f"got {frame}",
            remedy="correct it",
        )


def variant_not_read(format_name: str, held: str) -> UnknownFormatError:
    """Return why a file of a known format is refused: no decoder here gives the pixels of what it holds."""
    return UnknownFormatError(
        code="variant_not_read",
        rule=f"a {format_name} must be of a variant that is read",
        got=f"this one holds {held}",
        remedy="save it as a grey PNG of 8 or 16 bits",
    )


def require_one_frame(frames: int, counted: str = "") -> None:
    """Raise ReadError for a picture of several frames; ``counted`` is how their number is told."""
    if frames > 1:
        raise ReadError(
            code="several_frames",
            rule="a picture must hold one frame",
            got=f"this one holds {counted or frames}",
            remedy="save them apart",
        )


def require_finite(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pixels`` as they are; raise ReadError where one is NaN or infinite."""
    if not np.isfinite(pixels).all():
        raise ReadError(
            code="pixels_not_finite",
            rule="pixels must be finite numbers",
            got="this picture holds NaN or infinity",
            remedy="export it again",
        )
    return pixels


def background_for_nan(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``pixels`` with NaN, which marks what lies outside, as background: zero, or the least number if below.

    Raises ReadError where a pixel is infinite, which is an overflow, or none is a number.
    """
    missing = np.isnan(pixels)
    if not missing.any() or missing.all():
        return require_finite(pixels)
    return require_finite(np.where(missing, np.minimum(np.float32(0), np.nanmin(pixels)), pixels))


def deep_to_grey(colours: NDArray[Any]) -> tuple[NDArray[np.float32], bool]:
    """Return (H, W) float32 luma of colours (H, W, 3) of more than 8 bits, in their units, and whether they are true.

    Where the channels agree the result is exactly what they hold. Channels differ where they do by more than the same
    share of the brightest value as in ``to_grey``, since a file may use less than the depth that it declares.
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
    """Return (H, W) float32 luma in [0, 255] (ITU-R BT.601) of an RGB picture, and whether true colours are shown."""
    red, green, blue = (np.asarray(band) for band in picture.split())
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    coloured = bool(np.count_nonzero(spread > _COLOURED) > _COLOURED_SHARE * spread.size)
    return np.asarray(picture.convert("L"), np.float32), coloured
