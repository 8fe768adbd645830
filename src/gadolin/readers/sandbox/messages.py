"""Messages between a process and its sandbox: JSON and numeric arrays, so that no received data is executable.

A message is the length of its header (4 bytes, little-endian), the header as JSON, then the bytes of each array.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass, field
from io import FileIO
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gadolin.readers.sandbox.pipes import Channel

__all__ = ["Message", "receive", "send"]

_LENGTH = struct.Struct("<I")
_MOST_HEADER = 64 * 2**20  # bytes
_MOST_AXES = 8
_NUMBERS = re.compile(r"[<>|][biuf][1248]")


@dataclass(frozen=True, slots=True, eq=False)
class Message:
    """``facts`` (JSON), and arrays of integers, floats or bool of any shape."""

    facts: dict[str, Any]
    arrays: tuple[NDArray[Any], ...] = field(default=())


def send(pipe: FileIO | Channel, message: Message) -> None:
    """Write a message; raises OSError if the reader is gone."""
    arrays = [np.ascontiguousarray(each) for each in message.arrays]
    described = [{"type": each.dtype.str, "shape": each.shape} for each in arrays]
    header = json.dumps({"facts": message.facts, "arrays": described}).encode()
    _write(pipe, memoryview(_LENGTH.pack(len(header)) + header))
    for each in arrays:
        if each.size:
            _write(pipe, each.data.cast("B"))


def receive(pipe: FileIO | Channel, most_bytes: int) -> Message:
    """Read a message whose arrays hold at most ``most_bytes`` together.

    Raises EOFError if the other side has closed the pipe, ValueError, KeyError or TypeError for an invalid message.
    """
    (length,) = _LENGTH.unpack(_read(pipe, _LENGTH.size))
    if length > _MOST_HEADER:
        msg = f"a header may hold {_MOST_HEADER:,} bytes, this one declares {length:,}"
        raise ValueError(msg)
    header = json.loads(_read(pipe, length))
    facts, arrays, left = header["facts"], [], most_bytes
    if not isinstance(facts, dict):
        msg = "the facts of a message must be a JSON object"
        raise TypeError(msg)
    for described in header["arrays"]:
        array, left = _array(pipe, described, left)
        arrays.append(array)
    return Message(facts, tuple(arrays))


def _array(pipe: FileIO | Channel, described: dict[str, Any], most_bytes: int) -> tuple[NDArray[Any], int]:
    """Read an array of at most ``most_bytes``; return it and the remaining byte budget."""
    kind, shape = described["type"], described["shape"]
    fits = len(shape) <= _MOST_AXES and all(type(side) is int and side >= 0 for side in shape)
    if not _NUMBERS.fullmatch(kind) or not fits:
        msg = f"an array must be of numbers and have up to {_MOST_AXES} axes, got {kind[:9]} and {shape[:9]}"
        raise ValueError(msg)
    size = prod(shape) * int(kind[2])
    if size > most_bytes:
        msg = f"arrays may hold {most_bytes:,} more bytes, this one declares {size:,}"
        raise ValueError(msg)
    return np.frombuffer(_read(pipe, size), np.dtype(kind)).reshape(shape), most_bytes - size


def _write(pipe: FileIO | Channel, data: memoryview) -> None:
    while data:
        data = data[pipe.write(data) or 0 :]


def _read(pipe: FileIO | Channel, length: int) -> bytearray:
    """Return exactly ``length`` bytes."""
    data = bytearray(length)
    rest = memoryview(data)
    while rest:
        count = pipe.readinto(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return data
