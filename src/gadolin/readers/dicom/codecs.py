"""Decode compressed DICOM frames with imagecodecs; pydicom decodes RLE and uncompressed pixels.

imagecodecs decodes all JPEG variants of the standard: baseline, extended, lossless, JPEG 2000 and, in a sandbox,
JPEG-LS (``native``). The size in the code stream is compared with the header before decoding. The code stream
determines depth and sign, since it was written with the pixels.
"""

from __future__ import annotations

import re
import struct
from typing import Final, NamedTuple

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid

__all__ = ["DECODER_DEPENDENCIES", "Announced", "Decoded", "decode_stream"]

_JPEG: Final = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
_JPEG_LS: Final = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_JPEG_2000: Final = (uid.JPEG2000Lossless, uid.JPEG2000)
DECODER_DEPENDENCIES: Final = dict.fromkeys((*_JPEG, *_JPEG_LS, *_JPEG_2000), ("imagecodecs>=2024.9",))
"""The transfer syntaxes decoded here, with the package that each needs."""

_FRAMES: Final = (0xC0, 0xC1, 0xC2, 0xC3, 0xF7)  # baseline, extended, progressive, lossless, JPEG-LS
_OTHER_FRAMES: Final = re.compile(rb"\xff[\xc0-\xc3\xc5-\xcb\xcd-\xcf]")
_SCAN: Final = 0xDA
_APP0: Final = 0xE0
_RGB_IDS: Final = (b"RGB", b"rgb")


class Announced(NamedTuple):
    """The header of a code stream; ``stored`` is "RGB", "YCbCr", or None if unknown."""

    rows: int
    columns: int
    samples: int
    bits: int
    signed: bool
    stored: str | None


class Decoded(NamedTuple):
    """A decoded frame, (H, W) or (H, W, 3), with the bits of its code stream and whether they are signed."""

    pixels: NDArray[np.generic]
    bits: int
    signed: bool


def decode_stream(src: bytes, syntax: str, size: tuple[int, int, int], photometric: str) -> Decoded:
    """Decode a frame of ``size`` (rows, columns, samples); colours come back as RGB.

    Raises ValueError if the code stream declares another size.
    """
    header = _of_jpeg_2000(src) if syntax in _JPEG_2000 else _of_jpeg(src)
    if header[:3] != size:
        msg = f"the code stream declares {header[:3]} rows, columns and samples, the DICOM header {size}"
        raise ValueError(msg)
    pixels = _pixels(src, syntax, header, photometric)
    shape = size[:2] if size[2] == 1 else size
    if pixels.dtype.itemsize > 2 or pixels.size != size[0] * size[1] * size[2]:
        msg = f"the code stream decodes to {pixels.shape} of {pixels.dtype}, the DICOM header declares {size}"
        raise ValueError(msg)
    return Decoded(pixels.reshape(shape), header.bits, header.signed)


def _pixels(src: bytes, syntax: str, header: Announced, photometric: str) -> NDArray[np.generic]:
    if syntax in _JPEG_LS:
        from gadolin.readers.jpeg_ls.native import decode_jpegls  # deferred: few files need it

        return decode_jpegls(src)
    if syntax in _JPEG_2000:
        return np.asarray(imagecodecs.jpeg2k_decode(src))
    if header.samples == 1:
        return np.asarray(imagecodecs.jpeg_decode(src))
    stored = header.stored or ("RGB" if photometric == "RGB" else "YCbCr")
    return np.asarray(imagecodecs.jpeg_decode(src, colorspace=stored, outcolorspace="RGB"))


def _of_jpeg(src: bytes) -> Announced:
    """Return the only frame header of a JPEG or JPEG-LS stream (ITU-T T.81, B.2.2).

    Raises ValueError if any second frame follows, since the native decoder may crash on it.
    """
    place, found, stored = 2, None, None
    while place + 10 <= len(src) and src[place] == 0xFF:
        marker = src[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _FRAMES and found is None:
            bits, rows, columns, samples = struct.unpack_from(">BHHB", src, place + 4)
            found = rows, columns, samples, bits
            stored = "RGB" if src[place + 10 : place + 19 : 3] in _RGB_IDS else stored
        elif marker in _FRAMES or _OTHER_FRAMES.match(src, place):
            msg = f"the code stream holds the marker {marker:#x} of another frame"
            raise ValueError(msg)
        elif marker == _APP0 and src[place + 4 : place + 8] == b"JFIF":
            stored = stored or "YCbCr"
        if marker == _SCAN:
            break
        place += 2 + struct.unpack_from(">H", src, place + 2)[0]
    if found is None or src[place + 1 : place + 2] != bytes([_SCAN]) or _OTHER_FRAMES.search(src, place):
        msg = "the code stream holds no frame header before its scan, or another after it"
        raise ValueError(msg)
    return Announced(*found, signed=False, stored=stored)


def _of_jpeg_2000(src: bytes) -> Announced:
    """Return the SIZ marker of a JPEG 2000 stream (ITU-T T.800, A.5.1)."""
    start = src.find(b"\xff\x4f\xff\x51", 0, 65536)
    if start < 0 or len(src) < start + 43:
        msg = "the code stream holds no image header"
        raise ValueError(msg)
    right, bottom, left, top = struct.unpack_from(">4I", src, start + 8)
    samples, depth = struct.unpack_from(">HB", src, start + 40)
    return Announced(bottom - top, right - left, samples, (depth & 0x7F) + 1, bool(depth & 0x80), None)
