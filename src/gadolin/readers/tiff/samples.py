"""Decode TIFF samples that Pillow refuses or reduces: deep, signed, floating point, planar, of any byte order.

Pillow only decompresses the bytes; this module interprets them.
"""

from __future__ import annotations

import io
import struct
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gadolin.errors import DamagedFileError
from gadolin.readers.decompress import most_unpacked
from gadolin.readers.tiff.directories import Layout

__all__ = ["COMPRESSIONS", "FORMS", "samples_of"]

_PLAIN = 1
COMPRESSIONS = frozenset({_PLAIN, 5, 8, 32946, 32773, 34925, 50000})
"""None, LZW, deflate (two numbers), PackBits, LZMA, Zstandard: compressions of bytes, not of images."""

FORMS = {1: "u", 2: "i", 3: "f"}
_MIRRORED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


def samples_of(content: bytes, layout: Layout) -> NDArray[Any]:
    """Return the stored samples, (H, W, samples), unsigned, signed or floating point.

    The layout must have equal bits for every sample, one of ``FORMS`` and one of ``COMPRESSIONS``. Raises ReadError if
    a strip or tile is missing or unpacks to too much, OSError if Pillow cannot unpack it.
    """
    kind, (rows, columns) = _dtype(layout), layout.block
    per_plane, planes = (1, len(layout.bits)) if layout.planar else (len(layout.bits), 1)
    down, across = -(-layout.height // rows), -(-layout.width // columns)
    number = down * across
    size = prod((number, rows, columns, len(layout.bits), kind.itemsize))
    if size > most_unpacked(len(content)):
        raise _not_whole(size, len(content))
    if len(layout.blocks) < planes * number:
        raise _not_whole(planes * number, len(layout.blocks), "strips or tiles")
    found = np.zeros((down * rows, across * columns, len(layout.bits)), kind)
    for plane in range(planes):
        blocks = layout.blocks[plane * number : (plane + 1) * number]
        numbers = _numbers(_lines(content, layout, blocks, per_plane), layout, (columns, per_plane))
        filled = np.zeros((number * rows, columns, per_plane), kind)
        filled[: len(numbers)] = numbers.reshape(-1, columns, per_plane)
        tiles = filled.reshape(down, across, rows, columns, per_plane).swapaxes(1, 2)
        found[..., plane : plane + per_plane] = tiles.reshape(down * rows, across * columns, per_plane)
    return found[: layout.height, : layout.width]


def _dtype(layout: Layout) -> np.dtype[Any]:
    """Return the dtype of a sample in native byte order."""
    width = next(one for one in (8, 16, 32, 64) if one >= layout.bits[0])
    return np.dtype(f"{FORMS[layout.form]}{width // 8}")


def _lines(content: bytes, layout: Layout, blocks: tuple[tuple[int, int], ...], samples: int) -> NDArray[np.uint8]:
    """Return the bytes of stacked strips or tiles: (rows, bytes of a line)."""
    rows, columns = layout.block
    height = layout.height if columns == layout.width and not layout.tiled else rows * len(blocks)
    width = -(-columns * samples * layout.bits[0] // 8)
    sizes = [width * min(rows, height - top) for top in range(0, height, rows)]
    if layout.compression == _PLAIN:  # the stored lengths are not needed, and often wrong
        blocks = tuple((start, size) for (start, _), size in zip(blocks, sizes, strict=True))
    stored = [content[start : start + length] for start, length in blocks]
    if layout.reversed_bits:
        stored = [one.translate(_MIRRORED) for one in stored]
    if layout.compression == _PLAIN:
        whole = b"".join(stored)
        if len(whole) < sum(sizes):
            raise _not_whole(sum(sizes), len(whole))
        return np.frombuffer(whole, np.uint8).reshape(height, width)
    file = _of_bytes(stored, (height, width), rows, layout.compression)
    with Image.open(io.BytesIO(file), formats=("TIFF",)) as image:
        return np.asarray(image)


def _of_bytes(stored: list[bytes], shape: tuple[int, int], rows: int, compression: int) -> bytes:
    """Return an 8-bit grey TIFF whose pixels are the bytes of another one."""
    starts = np.cumsum([8, *(len(one) for one in stored)])
    end, count = int(starts[-1]), len(stored)
    tables = [starts[:-1].astype("<u4").tobytes(), np.array([len(one) for one in stored], "<u4").tobytes()]
    places = [end, end + 4 * count] if count > 1 else [struct.unpack("<I", one)[0] for one in tables]
    entries = [(256, 1, shape[1]), (257, 1, shape[0]), (258, 1, 8), (259, 1, compression), (262, 1, 1)]
    entries += [(273, count, places[0]), (277, 1, 1), (278, 1, rows), (279, count, places[1])]
    directory = b"".join(struct.pack("<HHII", tag, 4, many, value) for tag, many, value in entries)
    head = struct.pack("<2sHI", b"II", 42, end + 8 * count)
    return b"".join([head, *stored, *tables, struct.pack("<H", len(entries)), directory, bytes(4)])


def _numbers(lines: NDArray[np.uint8], layout: Layout, line: tuple[int, int]) -> NDArray[Any]:
    """Return (rows, columns, samples) of numbers from lines of bytes."""
    bits, kind, count = layout.bits[0], _dtype(layout), prod(line)
    if bits < 8 * kind.itemsize:
        numbers = _odd_bits(lines, layout, count)
    elif layout.predictor == 3:
        return _floats(lines, kind, line).reshape(-1, *line)
    else:
        numbers = np.ascontiguousarray(lines).view(np.dtype(layout.order + kind.str[1:])).astype(kind)
    numbers = numbers.reshape(-1, *line)
    return np.cumsum(numbers, axis=1, dtype=kind) if layout.predictor == 2 else numbers


def _odd_bits(lines: NDArray[np.uint8], layout: Layout, count: int) -> NDArray[Any]:
    """Return numbers of odd bit length, highest bit first; each line starts at a byte."""
    bits = layout.bits[0]
    one_by_one = np.unpackbits(lines, axis=1)[:, : count * bits].reshape(len(lines), count, bits)
    numbers = np.zeros((len(lines), count), np.int64)
    for place in range(bits):
        numbers = numbers << 1 | one_by_one[..., place]
    if layout.form == 2:
        numbers -= (numbers >> (bits - 1)) << bits
    return numbers.astype(_dtype(layout))


def _floats(lines: NDArray[np.uint8], kind: np.dtype[Any], line: tuple[int, int]) -> NDArray[Any]:
    """Undo the floating-point predictor: bytes sorted by significance, then differenced."""
    summed = np.cumsum(lines.reshape(len(lines), -1, line[1]), axis=1, dtype=np.uint8)
    by_weight = summed.reshape(len(lines), kind.itemsize, prod(line))
    big_endian = np.ascontiguousarray(by_weight.transpose(0, 2, 1)).reshape(len(lines), -1)
    return big_endian.view(kind.newbyteorder(">")).astype(kind)


def _not_whole(needed: int, present: int, what: str = "bytes") -> DamagedFileError:
    return DamagedFileError(
        code="file_not_whole",
        rule="an image must be complete in its file",
        got=f"{present:,} {what} cannot hold {needed:,}",
        remedy="fetch it again",
    )
