"""File properties that do not depend on the anatomy: size, format, quality, brightness."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from gadolin.records import Slice

__all__ = ["FileFacts", "file_facts"]

_BORDER = 0.04  # of the shorter side: width of the border
_BRIGHT_RIM = 0.6
_LUMINANCE = 3_703  # sum of the luminance table of the JPEG standard (ITU-T T.81, annex K), which is quality 50
_RASTER = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "WebP")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """Properties of one slice and its file.

    ``width`` and ``height`` in pixels; ``bits`` as declared (8 or 16); ``mode`` is Pillow's (L, RGB, P, ...) or empty
    for formats without one; ``format`` such as "JPEG" or "DICOM"; ``quality`` the JPEG quality, 1 to 100, estimated
    from the quantisation table, None for other formats; ``size_bytes`` of the file. ``mean``, ``border`` (mean of the
    outermost 4 %) and ``deviation`` are intensities in [0, 1]: of 255 for 8 bits, of the slice's own range for more.
    ``black`` and ``white`` are the shares of pixels at the bottom and at the top of that range, ``used`` the share of
    it between the darkest and the brightest pixel. ``colour``: the picture is in colour. ``inverted``: the border is
    bright and brighter than the rest, as in a negative or on a white page. ``pixels`` is a digest of the decoded
    picture.
    """

    width: int
    height: int
    bits: int
    mode: str
    format: str
    quality: float | None
    size_bytes: int
    mean: float
    border: float
    deviation: float
    black: float
    white: float
    used: float
    colour: bool
    inverted: bool
    pixels: str


def file_facts(path: Path, image: Slice, kind: str) -> FileFacts:
    """Return the facts of one slice in a file of format ``kind``; reads the header of a raster picture again."""
    header = _header(path, kind)
    pixels = image.pixels
    height, width = pixels.shape
    low, high = (0.0, 255.0) if image.bits == 8 else (float(pixels.min()), float(pixels.max()))
    span = max(high - low, 1e-6)
    average, spread = (float(value[0, 0]) for value in cv2.meanStdDev(pixels))
    rim = max(1, round(_BORDER * min(height, width)))
    inner = pixels[rim:-rim, rim:-rim]
    around = average * pixels.size - (cv2.sumElems(inner)[0] if inner.size else 0.0)
    mean, border = (average - low) / span, (around / (pixels.size - inner.size) - low) / span
    return FileFacts(
        width=width,
        height=height,
        bits=image.bits,
        mode=header.mode,
        format=header.format,
        quality=header.quality,
        size_bytes=header.size_bytes,
        mean=mean,
        border=border,
        deviation=spread / span,
        black=np.count_nonzero(pixels <= low) / pixels.size,
        white=np.count_nonzero(pixels >= low + span) / pixels.size,
        used=float(pixels.max() - pixels.min()) / span,
        colour=image.colour,
        inverted=border > _BRIGHT_RIM and border > mean,
        pixels=_digest(image),
    )


@dataclass(frozen=True, slots=True)
class _Header:
    mode: str
    format: str
    quality: float | None
    size_bytes: int


def _header(path: Path, kind: str) -> _Header:
    size = path.stat().st_size
    if kind not in _RASTER:
        return _Header("", kind, None, size)
    with suppress(Exception), Image.open(path) as image:  # decoding reports the damage
        tables = getattr(image, "quantization", None)
        return _Header(image.mode, image.format or kind, jpeg_quality(tables) if tables else None, size)
    return _Header("", kind, None, size)


def jpeg_quality(tables: dict[int, list[int]]) -> float:
    """Return the quality, 1 to 100, whose luminance table of the Independent JPEG Group is about as coarse."""
    scale = 100 * sum(tables[min(tables)]) / _LUMINANCE
    quality = (200 - scale) / 2 if scale <= 100 else 5000 / scale
    return float(min(max(quality, 1.0), 100.0))


def _digest(image: Slice) -> str:
    """Return a digest of shape and values; 8-bit values are digested as uint8."""
    values = image.pixels.astype(np.uint8) if image.bits == 8 else image.pixels
    exact = image.pixels if not np.array_equal(values, image.pixels) else values
    return hashlib.blake2b(f"{exact.shape}".encode() + exact.tobytes(), digest_size=16).hexdigest()
