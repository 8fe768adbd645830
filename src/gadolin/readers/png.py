"""PNG files reduced to their image chunks, and 16-bit PNG, which Pillow would reduce to 8 bits.

The format is "Portable Network Graphics" (W3C, third edition; ISO/IEC 15948).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError
from gadolin.readers.decompress import inflate

__all__ = ["Png", "byte_planes", "open_png"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_PICTURE = (b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS")
_TURNS = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")  # texts that may hold the orientation
_TEXTS = (b"iTXt", b"tEXt", b"zTXt")
_LONGEST_TEXT = 65_536  # bytes of such a text
_MOST_CHUNKS = 100_000
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
_CHANNELS = {2: 3, 4: 2, 6: 4}


class Png(NamedTuple):
    """A parsed PNG file.

    ``chunks`` are those of the image and of its orientation. The transparent value of a grey or 16-bit RGB image is in
    ``clear`` instead: one number per channel, or empty. ``colour`` is the type: 0 grey, 2 RGB, 3 palette, 4 grey and
    alpha, 6 RGB and alpha.
    """

    chunks: tuple[bytes, ...]
    width: int
    height: int
    depth: int
    colour: int
    interlaced: bool
    frames: int
    clear: tuple[int, ...]

    @property
    def file(self) -> bytes:
        """A PNG of the image and its orientation."""
        return _SIGNATURE + b"".join(self.chunks)

    @property
    def bare(self) -> bytes:
        """A PNG of the image alone."""
        return _SIGNATURE + b"".join(chunk for chunk in self.chunks if chunk[4:8] in _PICTURE)

    @property
    def flattened(self) -> bool:
        """Whether Pillow would drop the low bytes."""
        return self.depth == 16 and self.colour in (2, 4, 6)


def open_png(content: bytes) -> Png:
    """Parse a PNG file; chunks that the image does not need are ignored.

    Raises DamagedFileError if the header is missing.
    """
    chunks: list[bytes] = []
    header, clear = b"", b""
    begun = animated = False
    controls, leading = 0, 0
    for kind, start, end in _chunks(content):
        body = content[start + 8 : end - 4]
        if kind == b"IHDR" and not header:
            header = body
        controls += kind == b"fcTL"
        leading += kind == b"fcTL" and not begun
        animated = animated or (kind == b"acTL" and not begun)
        begun = begun or kind == b"IDAT"
        if kind == b"tRNS" and (header[9:10] == b"\0" or header[8:10] == b"\x10\2"):
            clear = body
            continue
        if kind in _PICTURE:
            chunks.append(content[start:end])
        elif len(body) <= _LONGEST_TEXT and (kind == b"eXIf" or (kind in _TEXTS and body.startswith(_TURNS))):
            chunks.append(_chunk(kind, body))
    if len(header) != 13:
        raise DamagedFileError(
            code="damaged_file",
            rule="a PNG file must begin with a header of 13 bytes",
            got="this one does not",
            remedy="fetch it again",
        )
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    return Png(
        chunks=tuple(chunks),
        width=width,
        height=height,
        depth=depth,
        colour=colour,
        interlaced=interlaced == 1,
        frames=max(1, controls + (controls > 0 and leading == 0)) if animated else 1,
        clear=struct.unpack(f">{len(clear) // 2}H", clear[: len(clear) // 2 * 2]),
    )


def byte_planes(png: Png) -> tuple[bytes, bytes]:
    """Return two 8-bit PNG files with the high and the low bytes of a 16-bit one.

    PNG filters treat each byte of a pixel separately, with one filter per line, so it is enough to sort the bytes of
    each line. Raises ReadError if the compressed data is damaged, truncated or does not unpack to the image size.
    """
    packed = b"".join(chunk[8:-4] for chunk in png.chunks if chunk[4:8] == b"IDAT")
    samples = _CHANNELS[png.colour]
    shapes = list(_lines(png))
    size = sum(rows * (1 + 2 * samples * columns) for rows, columns in shapes)
    stored = np.frombuffer(inflate(packed, wbits=15, max_bytes=size + 65_536)[:size], np.uint8)
    if stored.size < size:
        raise DamagedFileError(
            code="file_not_whole",
            rule="an image must be complete in its file",
            got=f"it holds {stored.size:,} of {size:,} bytes",
            remedy="fetch it again",
        )
    high, low, place = [], [], 0
    for rows, columns in shapes:
        length = rows * (1 + 2 * samples * columns)
        lines = stored[place : place + length].reshape(rows, -1)
        place += length
        high.append(np.concatenate([lines[:, :1], lines[:, 1::2]], axis=1).ravel())
        low.append(np.concatenate([lines[:, :1], lines[:, 2::2]], axis=1).ravel())
    return _of_bytes(png, high), _of_bytes(png, low)


def _of_bytes(png: Png, lines: list[NDArray[np.uint8]]) -> bytes:
    header = struct.pack(">IIBBBBB", png.width, png.height, 8, png.colour, 0, 0, int(png.interlaced))
    data = zlib.compress(np.concatenate(lines).tobytes(), 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")


def _lines(png: Png) -> Iterator[tuple[int, int]]:
    """Yield rows and columns of each pass of an interlaced image, or of the whole image."""
    for top, left, down, right in _PASSES if png.interlaced else ((0, 0, 1, 1),):
        rows, columns = -(-(png.height - top) // down), -(-(png.width - left) // right)
        if rows > 0 and columns > 0:
            yield rows, columns


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield kind, start and end of every chunk; the last one may be truncated."""
    place = 8
    for _ in range(_MOST_CHUNKS):
        if place + 8 > len(content):
            return
        (length,) = struct.unpack_from(">I", content, place)
        kind, end = content[place + 4 : place + 8], min(place + 12 + length, len(content))
        yield kind, place, end
        if kind == b"IEND":
            return
        place = end


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
