"""Mutate files of every format; a file's number and a seed determine each mutation.

``Seed.content`` is mutated and ``Seed.wrap`` makes a file of it, so that damage can be inside checksummed or compressed
data or a code stream as well as in the bytes of the file.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Seed", "damaged", "mutated"]

_SPECIAL = (0, 1, 2, 3, 4, 7, 8, 15, 16, 127, 128, 255, 256, 4096, 32767, 32768, 65535, 65536)
_LARGE = (2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**40, 2**63 - 1, 2**63, 2**64 - 1)
_MOST = 4  # mutations of one file
_RUN = 64  # bytes, the longest run or block


@dataclass(frozen=True, slots=True)
class Seed:
    """A readable file, divided into the content to mutate and a function that makes a file of it."""

    name: str
    content: bytes
    wrap: Callable[[bytes], bytes] = bytes

    @property
    def whole(self) -> bytes:
        """The undamaged file."""
        return self.wrap(self.content)


def damaged(seeds: list[Seed], number: int, seed: int = 0) -> tuple[str, bytes]:
    """Return name and bytes of the damaged file of a number; deterministic for the same seeds."""
    chosen = seeds[number % len(seeds)]
    chance = random.Random(f"{seed}:{chosen.name}:{number}")
    other = seeds[chance.randrange(len(seeds))]
    return chosen.name, chosen.wrap(mutated(chosen.content, other.content, chance))


def mutated(content: bytes, other: bytes, chance: random.Random) -> bytes:
    """Return ``content`` after one to four mutations; splices take bytes from ``other``."""
    data = bytearray(content)
    for _ in range(chance.randint(1, _MOST)):
        if not data:
            return bytes(data)
        operation = chance.choices(_OPERATIONS, _WEIGHTS)[0]
        operation(data, other, chance)
    return bytes(data)


def _place(data: bytearray, chance: random.Random) -> int:
    """Return a position, mostly near the beginning, where headers are."""
    if chance.random() < 0.4:
        return chance.randrange(len(data))
    return min(chance.randrange(2 ** chance.randint(3, max(3, len(data).bit_length()))), len(data) - 1)


def _flip(data: bytearray, _other: bytes, chance: random.Random) -> None:
    data[_place(data, chance)] ^= 1 << chance.randrange(8)


def _byte(data: bytearray, _other: bytes, chance: random.Random) -> None:
    data[_place(data, chance)] = chance.randrange(256)


def _number(data: bytearray, _other: bytes, chance: random.Random) -> None:
    """Change a number of 2, 4 or 8 bytes: by one, to a special value, to the length, or at random."""
    size = chance.choice((2, 2, 4, 4, 8))
    place = _place(data, chance)
    place -= place % 2 if chance.random() < 0.7 else 0
    if place + size > len(data):
        return
    order = chance.choice(("little", "big"))
    now = int.from_bytes(data[place : place + size], order)
    new = chance.choice(
        (
            now + chance.choice((-1, 1)),
            now * 2,
            -now,
            chance.choice(_SPECIAL),
            chance.choice(_LARGE),
            len(data) + chance.randint(-2, 2),
            chance.getrandbits(8 * size),
        )
    )
    data[place : place + size] = (new % 2 ** (8 * size)).to_bytes(size, order)


def _real(data: bytearray, _other: bytes, chance: random.Random) -> None:
    """Write an extreme floating-point number."""
    kind, size = chance.choice((("f", 4), ("d", 8)))
    place = _place(data, chance) // 4 * 4
    if place + size <= len(data):
        value = chance.choice((float("nan"), float("inf"), -float("inf"), 0.0, 1e-38, 3e38, -1.0))
        struct.pack_into(chance.choice("<>") + kind, data, place, value)


def _run(data: bytearray, _other: bytes, chance: random.Random) -> None:
    place = _place(data, chance)
    length = min(chance.randint(1, _RUN), len(data) - place)
    data[place : place + length] = chance.choice((b"\x00", b"\xff")) * length


def _truncate(data: bytearray, _other: bytes, chance: random.Random) -> None:
    del data[chance.randrange(len(data)) :]


def _remove(data: bytearray, _other: bytes, chance: random.Random) -> None:
    place = _place(data, chance)
    del data[place : place + chance.randint(1, _RUN)]


def _double(data: bytearray, _other: bytes, chance: random.Random) -> None:
    place = _place(data, chance)
    block = bytes(data[place : place + chance.randint(1, _RUN)])
    data[place:place] = block * chance.choice((1, 1, 2, 100))


def _copy(data: bytearray, _other: bytes, chance: random.Random) -> None:
    """Copy a piece of the data over another piece."""
    length = chance.choice((2, 4, 8, 16, _RUN))
    start, place = _place(data, chance), _place(data, chance)
    block = data[start : start + length]
    data[place : place + len(block)] = block


def _splice(data: bytearray, other: bytes, chance: random.Random) -> None:
    """Continue with another file, from the same position or a random one."""
    place = _place(data, chance)
    start = place if chance.random() < 0.5 else chance.randrange(len(other))
    data[place:] = other[start:]


_OPERATIONS = (_flip, _byte, _number, _real, _run, _truncate, _remove, _double, _copy, _splice)
_WEIGHTS = (4, 4, 8, 1, 2, 1, 2, 2, 2, 1)
