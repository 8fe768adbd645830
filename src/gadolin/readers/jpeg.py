"""The segments of a JPEG file (ITU-T T.81, annex B), and the kinds of JPEG that Pillow does not decode.

These are grey 12-bit, lossless and JPEG-LS files, which medical software writes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DamagedFileError
from gadolin.readers.contents import variant_not_read

__all__ = ["Frame", "decode_unusual", "exif_of", "frame_of", "is_usual", "without_marks"]

_EXTENDED, _LOSSLESS, _LS = (0xC0, 0xC1, 0xC2), 0xC3, 0xF7
_SCAN, _RESTARTS = 0xDA, range(0xD0, 0xD8)
_OTHER_FRAMES = re.compile(rb"\xff[\xc0-\xc3\xc5-\xcb\xcd-\xcf\xf7]")
_FRAMES = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}
_NEEDED = {0xE0: (b"JFIF\0", 14), 0xE1: (b"Exif\0\0", 6), 0xEE: (b"Adobe", 12)}


class Frame(NamedTuple):
    """A frame header: marker (0xC0 baseline to 0xF7 JPEG-LS), bits, size, components.

    ``end`` is its end offset in the file.
    """

    marker: int
    bits: int
    height: int
    width: int
    components: int
    end: int


def frame_of(content: bytes) -> Frame | None:
    """Return the first frame header, or None if none precedes the first scan."""
    for marker, start, end in _segments(content):
        if marker in _FRAMES and end - start >= 10:
            bits, height, width, components = struct.unpack_from(">BHHB", content, start + 4)
            return Frame(marker, bits, height, width, components, end)
        if marker == _SCAN:
            return None
    return None


def exif_of(content: bytes) -> bytes:
    """Return the EXIF data of the file, or empty bytes."""
    for marker, start, end in _segments(content):
        if marker == 0xE1 and content.startswith(b"Exif\0\0", start + 4):
            return content[start + 4 : end]
    return b""


def is_usual(frame: Frame) -> bool:
    """Return whether Pillow decodes a frame: 8 bits, baseline, extended or progressive, also arithmetic-coded."""
    return frame.bits == 8 and frame.marker in (*_EXTENDED, 0xC9, 0xCA)


def decode_unusual(content: bytes, frame: Frame) -> NDArray[np.float32]:
    """Return the pixels (H, W) of a grey 12-bit, lossless or JPEG-LS frame; raises ReadError for others or damage."""
    single = _OTHER_FRAMES.search(content, frame.end) is None  # a native decoder may crash on a second one
    if frame.components != 1 or not single or frame.marker not in (*_EXTENDED, _LOSSLESS, _LS):
        held = f"{frame.components} channels of {frame.bits} bits, frame {frame.marker:#x}"
        raise variant_not_read(format_name="JPEG", held=held)
    if frame.marker == _LS:
        from gadolin.readers.jpeg_ls.native import decode_jpegls

        pixels: NDArray[Any] = decode_jpegls(content)
    else:
        import imagecodecs

        pixels = np.asarray(imagecodecs.jpeg8_decode(content))  # unlike jpeg_decode, it tries no other library
    if pixels.shape != (frame.height, frame.width):
        raise DamagedFileError(
            code="damaged_file",
            rule="an image must have the size that its header declares",
            got=f"got {pixels.shape} for {(frame.height, frame.width)}",
            remedy="fetch it again",
        )
    return pixels.astype(np.float32)


def without_marks(content: bytes, *, exif: bool = True) -> bytes:
    """Return the file without comments and application segments, except intact ones that affect display.

    ``exif`` keeps the EXIF segment too.
    """
    kept, rest = [content[:2]], 2
    for marker, start, end in _segments(content):
        rest = start
        if marker == _SCAN:
            break
        rest = end
        if marker == 0xE1 and not exif:
            continue
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            name, least = _NEEDED.get(marker, (b"-", 1 << 16))
            if not content.startswith(name, start + 4) or end - start - 4 < least:
                continue
        kept.append(content[start:end])
    return b"".join(kept) + content[rest:]


def _segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield marker, start and end of each segment up to the first scan."""
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF or marker in _RESTARTS:
            place += 1 if marker == 0xFF else 2
            continue
        end = place + 2 + struct.unpack_from(">H", content, place + 2)[0]
        yield marker, place, min(end, len(content))
        if marker == _SCAN or end > len(content):
            return
        place = end
