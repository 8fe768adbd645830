"""Compressed DICOM frames through imagecodecs, as a plug-in of pydicom's decoders.

One kept library decodes the JPEGs of the standard: baseline, extended, lossless and JPEG 2000; JPEG-LS is written out
in ``jpegls``. The size that a code stream announces is compared with the header before anything is decoded.
"""

from __future__ import annotations

import re
import struct
from functools import cache

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.pixels.common import PhotometricInterpretation
from pydicom.pixels.decoders.base import DecodeRunner, get_decoder

from gadolin.readers import jpegls

__all__ = ["DECODER_DEPENDENCIES", "PLUGIN", "decode_frame", "is_available", "register"]

PLUGIN = "gadolin"
_JPEG = (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1)
_JPEG_LS = (uid.JPEGLSLossless, uid.JPEGLSNearLossless)
_JPEG_2000 = (uid.JPEG2000Lossless, uid.JPEG2000)
DECODER_DEPENDENCIES = dict.fromkeys((*_JPEG, *_JPEG_LS, *_JPEG_2000), ("imagecodecs>=2024.9",))

_FRAMES = (0xC0, 0xC1, 0xC2, 0xC3, 0xF7)  # baseline, extended, progressive, lossless, JPEG-LS
_OTHER_FRAMES = re.compile(rb"\xff[\xc0-\xc3\xc5-\xcb\xcd-\xcf]")
_SCAN = 0xDA


def is_available(syntax: str) -> bool:
    """Return whether frames of a transfer syntax can be decoded here; asked by pydicom."""
    return syntax in DECODER_DEPENDENCIES


@cache
def register() -> None:
    """Make the decoder known to pydicom, once."""
    for syntax in DECODER_DEPENDENCIES:
        get_decoder(syntax).add_plugin(PLUGIN, (__name__, "decode_frame"))


def decode_frame(src: bytes, runner: DecodeRunner) -> bytes:
    """Return the raw pixels of one frame; called by pydicom.

    Raises ValueError where the code stream announces another size than the header.
    """
    syntax = runner.transfer_syntax
    wanted = (runner.rows, runner.columns, runner.samples_per_pixel)
    announced = _size_of_jpeg_2000(src) if syntax in _JPEG_2000 else _size_of_jpeg(src)
    if announced != wanted:
        msg = f"the code stream announces {announced} rows, columns and samples, the header {wanted}"
        raise ValueError(msg)
    pixels = _decoded(src, runner)
    if pixels.dtype.itemsize > 2 or pixels.size != wanted[0] * wanted[1] * wanted[2]:
        msg = f"the code stream decodes to {pixels.shape} of {pixels.dtype}, the header says {wanted}"
        raise ValueError(msg)
    runner.set_option("bits_allocated", 8 * pixels.dtype.itemsize)
    runner.set_option("planar_configuration", 0)
    return pixels.tobytes()


def _decoded(src: bytes, runner: DecodeRunner) -> NDArray[np.generic]:
    coloured = runner.samples_per_pixel == 3
    if runner.transfer_syntax in _JPEG_LS:
        return jpegls.decode(src)
    if runner.transfer_syntax in _JPEG_2000:
        if coloured and runner.photometric_interpretation in ("YBR_ICT", "YBR_RCT"):
            runner.set_option("photometric_interpretation", PhotometricInterpretation.RGB)
        return np.asarray(imagecodecs.jpeg2k_decode(src))
    if not coloured:
        return np.asarray(imagecodecs.jpeg_decode(src))
    stored = "RGB" if runner.photometric_interpretation == "RGB" else "YCbCr"
    runner.set_option("photometric_interpretation", PhotometricInterpretation.RGB)
    return np.asarray(imagecodecs.jpeg_decode(src, colorspace=stored, outcolorspace="RGB"))


def _size_of_jpeg(src: bytes) -> tuple[int, int, int]:
    """Return (rows, columns, components) from the one frame header of a JPEG or JPEG-LS stream (ITU-T T.81, B.2.2).

    Raises ValueError where a second frame follows, of whatever kind: the native decoder may crash on it.
    """
    place, found = 2, None
    while place + 10 <= len(src) and src[place] == 0xFF:
        marker = src[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _FRAMES and found is None:
            rows, columns, components = struct.unpack_from(">HHB", src, place + 5)
            found = rows, columns, components
        elif marker in _FRAMES or _OTHER_FRAMES.match(src, place):
            msg = f"the code stream holds the marker {marker:#x} of another frame"
            raise ValueError(msg)
        if marker == _SCAN:
            break
        place += 2 + struct.unpack_from(">H", src, place + 2)[0]
    if found is None or src[place + 1 : place + 2] != bytes([_SCAN]) or _OTHER_FRAMES.search(src, place):
        msg = "the code stream holds no frame header before its scan, or another after it"
        raise ValueError(msg)
    return found


def _size_of_jpeg_2000(src: bytes) -> tuple[int, int, int]:
    """Return (rows, columns, components) from the SIZ marker of a JPEG 2000 stream (ITU-T T.800, A.5.1)."""
    start = src.find(b"\xff\x4f\xff\x51", 0, 65536)
    if start < 0 or len(src) < start + 42:
        msg = "the code stream holds no image header"
        raise ValueError(msg)
    right, bottom, left, top = struct.unpack_from(">4I", src, start + 8)
    return bottom - top, right - left, struct.unpack_from(">H", src, start + 40)[0]
