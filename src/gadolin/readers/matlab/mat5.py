"""Reader in Python for MATLAB 5 files: one struct of numbers and text, every length checked against the file.

The format is MathWorks' "MAT-File Format" (Level 5): elements of a type, a length and data, optionally compressed.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.readers.contents import MAX_PIXELS, MAX_VOLUME_BYTES
from gadolin.readers.decompress import inflate

__all__ = ["read_struct"]

_HEAD = 128  # bytes before the first element
_MATRIX, _COMPRESSED = 14, 15
_NUMBERS: Final = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_TEXTS: Final = {2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16", 18: "utf-32"}
_CLASSES: Final = {
    6: "f8",
    7: "f4",
    8: "i1",
    9: "u1",
    10: "i2",
    11: "u2",
    12: "i4",
    13: "u4",
    14: "i8",
    15: "u8",
}
_STRUCT, _CHARACTERS = 2, 4
_COMPLEX = 0x0800
_MOST_FIELDS = 64


class _Element(NamedTuple):
    """An element: its type id and its data."""

    kind: int
    data: memoryview


class _Matrix(NamedTuple):
    """The head of a matrix, and the elements that follow it."""

    name: str
    flags: int
    shape: tuple[int, ...]
    rest: Iterator[_Element]


def read_struct(content: bytes, name: str, fields: Collection[str]) -> tuple[dict[str, NDArray[Any]] | None, list[str]]:
    """Return the numeric and text ``fields`` of a variable that is one struct, and the names of all variables.

    Numbers keep their shape, text is (N,); None means that there is no such struct. Raises ValueError if the file is
    damaged, ReadError if it unpacks to more than the limit of a volume.
    """
    order = "<" if content[126:128] == b"IM" else ">"
    names: list[str] = []
    found = None
    left = MAX_VOLUME_BYTES
    for element in _elements(memoryview(content)[_HEAD:], order):
        inner = element
        if element.kind == _COMPRESSED:
            plain = inflate(bytes(element.data), wbits=15, max_bytes=left)
            left -= len(plain)
            inner = next(_elements(memoryview(plain), order))
        if inner.kind != _MATRIX:
            continue
        matrix = _matrix(inner.data, order)
        names.append(matrix.name)
        if matrix.name == name and found is None and matrix.flags & 0xFF == _STRUCT:
            found = _fields(matrix, order, fields)
    return found, names


def _elements(data: memoryview, order: str) -> Iterator[_Element]:
    """Yield each element; data of up to four bytes is stored in the head of its element."""
    place = 0
    while place + 8 <= len(data):
        kind, length = struct.unpack_from(order + "II", data, place)
        start = place + 8
        if kind >> 16:
            kind, length, start = kind & 0xFFFF, kind >> 16, place + 4
            if length > 4:
                msg = f"a short element may hold 4 bytes, one declares {length}"
                raise ValueError(msg)
        if length > len(data) - start:
            msg = f"an element declares {length:,} bytes where {len(data) - start:,} are left"
            raise ValueError(msg)
        yield _Element(kind, data[start : start + length])
        place = start + length
        if kind != _COMPRESSED:
            place += -place % 8


def _matrix(data: memoryview, order: str) -> _Matrix:
    rest = _elements(data, order)
    try:
        flags, sides, name = (next(rest).data for _ in range(3))
        shape = tuple(int(side) for side in np.frombuffer(sides, order + "i4"))
        return _Matrix(bytes(name).decode("latin-1"), struct.unpack_from(order + "I", flags)[0], shape, rest)
    except (StopIteration, struct.error):
        msg = "a matrix must have flags, dimensions and a name"
        raise ValueError(msg) from None


def _fields(matrix: _Matrix, order: str, wanted: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return the ``wanted`` fields with numbers or text of a struct of one element."""
    if set(matrix.shape) != {1}:
        msg = f"a struct must hold one element, this one holds {matrix.shape}"
        raise ValueError(msg)
    lengths, letters = next(matrix.rest).data, bytes(next(matrix.rest).data)
    length = int(np.frombuffer(lengths, order + "i4")[0])
    if not 1 <= length <= 64 or len(letters) > length * _MOST_FIELDS:
        msg = f"a struct may have {_MOST_FIELDS} fields of up to 64 letters, got {len(letters)} letters"
        raise ValueError(msg)
    fields = {}
    for start, element in zip(range(0, len(letters), length), matrix.rest, strict=False):
        name = letters[start : start + length].partition(b"\0")[0].decode("latin-1")
        known = name in wanted and element.kind == _MATRIX and element.data
        value = _value(_matrix(element.data, order), order) if known else None
        if value is not None:
            fields[name] = value
    return fields


def _value(matrix: _Matrix, order: str) -> NDArray[Any] | None:
    """Return the numbers or text of a matrix, or None for other content."""
    kind = matrix.flags & 0xFF
    if kind == _CHARACTERS:
        element = next(matrix.rest, _Element(2, memoryview(b"")))
        coding = _TEXTS.get(element.kind, "latin-1")
        coding += {"<": "-le", ">": "-be"}[order] if coding in ("utf-16", "utf-32") else ""
        return np.array(list(bytes(element.data[:4096]).decode(coding, "replace")), "U1")
    if kind not in _CLASSES or matrix.flags & _COMPLEX:
        return None
    element = next(matrix.rest, _Element(0, memoryview(b"")))
    count = 1
    for side in matrix.shape:
        count *= max(side, 0)
    stored = np.dtype(order + _NUMBERS.get(element.kind, "V1"))
    if stored.kind == "V" or count > MAX_PIXELS or count * stored.itemsize != len(element.data):
        msg = f"a matrix of {matrix.shape} must hold as many numbers, this one holds {len(element.data):,} bytes"
        raise ValueError(msg)
    values = np.frombuffer(element.data, stored).reshape(matrix.shape, order="F")
    return values.astype(_CLASSES[kind], order="F", copy=False)
