"""A reader of a made-up format: "GSL1", width, height (uint16), pixels (uint8), CRC-32 of the pixels (uint32)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError
from gadolin.readers import Contents, Reader, check_size
from gadolin.records import Slice

__all__ = ["GSLICE", "gslice_bytes", "open_gslice"]

_MAGIC = b"GSL1"
_HEADER = struct.Struct("<4sHH")
_CRC = struct.Struct("<I")


def open_gslice(content: bytes) -> Contents:
    """Return the slice of a file; raises ReadError where the file is damaged, or too small or too large."""
    if len(content) < _HEADER.size:
        raise _damaged(got="its header is cut off")
    _, width, height = _HEADER.unpack_from(content)
    check_size(width, height)
    pixels = content[_HEADER.size : -_CRC.size]
    if len(pixels) != width * height or zlib.crc32(pixels) != _CRC.unpack(content[-_CRC.size :])[0]:
        raise _damaged(got="its pixels do not match its header")

    def decode(_number: int) -> Slice:
        return Slice(np.frombuffer(pixels, np.uint8).reshape(height, width).astype(np.float32))

    return Contents(kind="gslice", slices=1, decode=decode)


def gslice_bytes(pixels: NDArray[np.uint8]) -> bytes:
    """Return a file that holds pixels (H, W) uint8."""
    height, width = pixels.shape
    content = pixels.tobytes()
    return _HEADER.pack(_MAGIC, width, height) + content + _CRC.pack(zlib.crc32(content))


def _damaged(got: str) -> DamagedFileError:
    return DamagedFileError(code="gslice_damaged", rule="a .gslice file must be whole", got=got, remedy="copy it again")


GSLICE = Reader(
    name="gslice",
    suffixes=(".gslice",),
    recognises=lambda head: head.startswith(_MAGIC),
    open=open_gslice,
)
