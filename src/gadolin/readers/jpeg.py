"""The segments of a JPEG file (ITU-T T.81, annex B), and the kinds of JPEG that Pillow does not decode.

Those are 12 bits, lossless and JPEG-LS, as medical software writes them, in grey.
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
    """What a frame header announces: its marker (0xC0 baseline to 0xF7 JPEG-LS), bits, size, components.

    ``end`` is where it ends in the file.
    """

    marker: int
    bits: int
    height: int
    width: int
    components: int
    end: int


def frame_of(content: bytes) -> Frame | None:
    """Return the first frame header, or None where there is none before the first scan."""
    for marker, start, end in _segments(content):
        if marker in _FRAMES and end - start >= 10:
            bits, height, width, components = struct.unpack_from(">BHHB", content, start + 4)
            return Frame(marker, bits, height, width, components, end)
        if marker == _SCAN:
            return None
    return None


def exif_of(content: bytes) -> bytes:
    """Return what the file holds of EXIF, empty where it holds none."""
    for marker, start, end in _segments(content):
        if marker == 0xE1 and content.startswith(b"Exif\0\0", start + 4):
            return content[start + 4 : end]
    return b""


def is_usual(frame: Frame) -> bool:
    """Return whether Pillow decodes a frame: 8 bits, baseline, extended or progressive, also with arithmetic codes."""
    return frame.bits == 8 and frame.marker in (*_EXTENDED, 0xC9, 0xCA)


def decode_unusual(content: bytes, frame: Frame) -> NDArray[np.float32]:
    """Return (H, W) of a grey frame of 12 bits, lossless or JPEG-LS; raises ReadError where it is none or damaged."""
    single = _OTHER_FRAMES.search(content, frame.end) is None  # a native decoder may crash on a second one
    if frame.components != 1 or not single or frame.marker not in (*_EXTENDED, _LOSSLESS, _LS):
        held = f"{frame.components} channels of {frame.bits} bits, frame {frame.marker:#x}"
        raise variant_not_read(format_name="JPEG", held=held)
    if frame.marker == _LS:
        from gadolin.readers.jpeg_ls.native import decode_jpegls

        pixels: NDArray[Any] = decode_jpegls(content)
    else:
        import imagecodecs

        pixels = np.asarray(imagecodecs.jpeg8_decode(content))  # which, unlike jpeg_decode, tries no other library
    if pixels.shape != (frame.height, frame.width):
        raise DamagedFileError(
            code="damaged_file",
            rule="a picture must have the size that its header announces",
            got=f"got {pixels.shape} for {(frame.height, frame.width)}",
            remedy="fetch it again",
        )
    return pixels.astype(np.float32)


def without_marks(content: bytes, *, exif: bool = True) -> bytes:
    """Return the file without comments and application segments but those that say how to show it, if whole.

    ``exif`` tells whether that of EXIF is among them.
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
    """Yield the marker of each segment up to the first scan, where it begins, and where it ends."""
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
