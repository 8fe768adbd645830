"""Find elements near the start of an encoded data set without building objects for the others.

A data set from the network can hold millions of tiny or nested elements; pydicom makes objects of all of them up to the
first that is not needed.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from typing import Final, NamedTuple

__all__ = ["Encoding", "find_elements"]

_MOST_ELEMENTS: Final = 50_000  # up to the last wanted one, also in sequences
_UNDEFINED: Final = 0xFFFFFFFF
_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_LONG: Final = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))


class Encoding(NamedTuple):
    """How a data set is encoded (PS3.5, chapter 7)."""

    implicit: bool
    little: bool


def find_elements(content: bytes, encoding: Encoding, wanted: Collection[int]) -> dict[int, bytes]:
    """Return the values of the wanted elements at the top level by tag.

    Reading ends at the first element behind all of them. Raises ValueError if the data set is cut before that, is not
    well-formed, or has too many elements.
    """
    head = struct.Struct("<HH" if encoding.little else ">HH")
    numbers = (
        (struct.Struct("<I"), struct.Struct("<H")) if encoding.little else (struct.Struct(">I"), struct.Struct(">H"))
    )
    found: dict[int, bytes] = {}
    outside: list[bool] = []  # whether what surrounds each open sequence or item is implicit
    implicit, place, last = encoding.implicit, 0, max(wanted)
    for _ in range(_MOST_ELEMENTS):
        if place == len(content) and not outside:
            return found
        group, element = _unpacked(head, content, place)
        tag = group << 16 | element
        if tag in (_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE):
            (length,) = _unpacked(numbers[0], content, place + 4)
            place += 8
            if tag != _ITEM:
                implicit = _closed(outside)
            elif length == _UNDEFINED:
                outside.append(implicit)
            else:
                place += length
            continue
        if tag > last and not outside:
            return found
        kind = b"" if implicit else content[place + 4 : place + 6]
        start = place + (12 if kind in _LONG else 8)
        short = kind not in _LONG and not implicit
        (length,) = _unpacked(numbers[1], content, place + 6) if short else _unpacked(numbers[0], content, start - 4)
        if length == _UNDEFINED:
            outside.append(implicit)
            implicit = implicit or kind == b"UN"  # PS3.5, 6.2.2: implicit within
            place = start
            continue
        place = start + length
        if not outside and tag in wanted:
            found[tag] = content[start:place]
    msg = "too many elements"
    raise ValueError(msg)


def _unpacked(form: struct.Struct, content: bytes, place: int) -> tuple[int, ...]:
    if place + form.size > len(content):
        msg = "the data set is cut"
        raise ValueError(msg)
    return form.unpack_from(content, place)


def _closed(outside: list[bool]) -> bool:
    if not outside:
        msg = "a sequence ends that was not open"
        raise ValueError(msg)
    return outside.pop()
