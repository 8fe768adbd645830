"""JPEG-LS decoder in Python (ITU-T T.87): one component, lossless or near-lossless.

The native decoder hangs on some damaged streams (``native`` runs it in a sandbox). This one takes half a second for a
512 x 512 slice and terminates on every input: each run or pixel consumes at least one bit, and it raises an error when
the bits run out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from gadolin.readers.jpeg_ls.header import Coding, read_header

__all__ = ["decode", "read_coding"]

_RUNS: Final = (*[0] * 4, *[1] * 4, *[2] * 4, *[3] * 4, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15)


class _Bits:
    """The bits of a scan; after 0xFF one bit is stuffed, and a byte above 0x7F is a marker that ends it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.place = data, 0
        self.held, self.count = 0, 0
        self.after_ff = False

    def fill(self) -> None:
        """Take more bytes; raise ValueError if there are none."""
        data, place, held, count = self.data, self.place, self.held, self.count
        for _ in range(8):
            if place >= len(data):
                break
            byte = data[place]
            if self.after_ff:
                if byte > 0x7F:
                    break
                held, count = held << 7 | byte, count + 7
            else:
                held, count = held << 8 | byte, count + 8
            self.after_ff = byte == 0xFF
            place += 1
        if place == self.place:
            msg = "the code stream ends before its pixels do"
            raise ValueError(msg)
        self.place, self.held, self.count = place, held, count

    def take(self, length: int) -> int:
        """Return the next bits as a number."""
        while self.count < length:
            self.fill()
        self.count -= length
        value = self.held >> self.count
        self.held &= (1 << self.count) - 1
        return value

    def golomb(self, k: int, limit: int, plain: int) -> int:
        """Return the next mapped error (T.87, A.5.3): unary, then ``k`` bits, or ``plain`` bits if it is long."""
        zeros = 0
        while not self.held:
            zeros += self.count
            self.count = 0
            if zeros > limit:
                msg = "the code stream holds an error code that is too long"
                raise ValueError(msg)
            self.fill()
        zeros += self.count - self.held.bit_length()
        self.count = self.held.bit_length() - 1
        self.held &= (1 << self.count) - 1
        if zeros < limit - plain - 1:
            return zeros << k | self.take(k)
        return self.take(plain) + 1


@lru_cache(maxsize=4)
def _regions(most: int, near: int, thresholds: tuple[int, int, int]) -> list[int]:
    """Return the region of every difference from -``most`` to ``most`` (T.87, A.3.3), -4 to 4."""
    differences = np.arange(-most, most + 1)
    size = np.abs(differences)
    region = (size > near).astype(int) + sum((size >= each).astype(int) for each in thresholds)
    regions: list[int] = (region * np.sign(differences)).tolist()
    return regions


class _States:
    """Adaptive state of a scan (T.87, A.2): A, B, C and N of 365 contexts and of two kinds of run end."""

    def __init__(self, coding: Coding) -> None:
        self.coding, self.span, self.step = coding, coding.span, 2 * coding.near + 1
        self.plain = (self.span - 1).bit_length()
        depth = max(2, coding.most.bit_length())
        self.limit = 2 * (depth + max(8, depth))
        self.sums = [max(2, (self.span + 32) // 64)] * 367  # A
        self.biases, self.shifts, self.counts = [0] * 367, [0] * 367, [1] * 367  # B, C, N
        self.below = [0, 0]  # Nn
        self.run = 0  # RUNindex
        self.regions = _regions(coding.most, coding.near, coding.thresholds)

    def k_of(self, index: int, total: int) -> int:
        """Return the Golomb parameter of a context."""
        k, count = 0, self.counts[index]
        while count << k < total:
            k += 1
        return k

    def bounded(self, mapped: int) -> int:
        """Return a mapped error; raise ValueError if it exceeds the range of pixel differences."""
        if mapped > 2 * self.span:
            msg = "the code stream holds an error that is too large"
            raise ValueError(msg)
        return mapped

    def pixel(self, predicted: int, error: int) -> int:
        """Return the value of a pixel (T.87, A.4.4 and A.5)."""
        near, most, value = self.coding.near, self.coding.most, predicted + error * self.step
        if value < -near:
            value += self.span * self.step
        elif value > most + near:
            value -= self.span * self.step
        return 0 if value < 0 else most if value > most else value

    def learn(self, index: int, error: int) -> None:
        """Update a context with the error of a pixel (T.87, A.6)."""
        count, bias = self.counts[index], self.biases[index] + error * self.step
        self.sums[index] += abs(error)
        if count == self.coding.reset:
            self.sums[index] >>= 1
            bias >>= 1
            count >>= 1
        count += 1
        if bias <= -count:
            bias = max(bias + count, 1 - count)
            self.shifts[index] = max(self.shifts[index] - 1, -128)
        elif bias > 0:
            bias = min(bias - count, 0)
            self.shifts[index] = min(self.shifts[index] + 1, 127)
        self.counts[index], self.biases[index] = count, bias


def read_coding(stream: bytes) -> tuple[Coding, bytes]:
    """Return the coding parameters and the bytes of the scan; raises ValueError if there are too few bytes."""
    coding, scan = read_header(stream)
    if len(scan) * 8 * 32768 < coding.rows * coding.columns:  # the longest run of one bit
        msg = f"{len(scan)} bytes cannot hold {coding.rows} x {coding.columns} pixels"
        raise ValueError(msg)
    return coding, scan


def decode(stream: bytes) -> NDArray[np.unsignedinteger]:
    """Decode a stream of one component to (H, W) uint8 or uint16; raises ValueError if it is damaged."""
    coding, scan = read_coding(stream)
    bits, states = _Bits(scan), _States(coding)
    pixels = np.empty((coding.rows, coding.columns), np.uint8 if coding.most < 256 else np.uint16)
    above = [0] * (coding.columns + 2)
    for row in range(coding.rows):
        now = [above[1], *[0] * coding.columns, 0]
        above[-1] = above[-2]
        _row(bits, states, above, now)
        pixels[row] = now[1:-1]
        above = now
    return pixels


def _row(bits: _Bits, states: _States, above: list[int], now: list[int]) -> None:
    """Decode a row; ``above`` and ``now`` have one border pixel at each end."""
    regions, middle, last = states.regions, states.coding.most, len(now) - 1
    place, left = 1, now[0]
    while place < last:
        corner, over = above[place - 1], above[place]
        context = (
            81 * regions[above[place + 1] - over + middle]
            + 9 * regions[over - corner + middle]
            + regions[corner - left + middle]
        )
        if context:
            if corner >= (left if left > over else over):
                predicted = left if left < over else over
            elif corner <= (left if left < over else over):
                predicted = left if left > over else over
            else:
                predicted = left + over - corner
            left = now[place] = _pixel(bits, states, context, predicted)
            place += 1
        else:
            place = _run(bits, states, above, now, place)
            left = now[place - 1]


def _pixel(bits: _Bits, states: _States, context: int, predicted: int) -> int:
    """Decode a pixel in the regular mode (T.87, A.4 to A.6)."""
    index, sign = (context, 1) if context > 0 else (-context, -1)
    predicted += sign * states.shifts[index]
    predicted = 0 if predicted < 0 else min(predicted, states.coding.most)
    k = states.k_of(index, states.sums[index])
    mapped = states.bounded(bits.golomb(k, states.limit, states.plain))
    error = -(mapped + 1 >> 1) if mapped & 1 else mapped >> 1
    if k == 0 and states.step == 1 and 2 * states.biases[index] <= -states.counts[index]:
        error = -1 - error
    states.learn(index, error)
    return states.pixel(predicted, sign * error)


def _run(bits: _Bits, states: _States, above: list[int], now: list[int], place: int) -> int:
    """Decode a run and the pixel that ends it (T.87, A.7); return the next position."""
    value, last = now[place - 1], len(now) - 1
    while bits.take(1):
        whole = 1 << _RUNS[states.run]
        length = min(whole, last - place)
        now[place : place + length] = [value] * length
        place += length
        if length == whole:
            states.run = min(states.run + 1, 31)
        if place == last:
            return place
    length = bits.take(_RUNS[states.run])
    if length >= last - place:
        msg = "the code stream holds a run that is longer than its row"
        raise ValueError(msg)
    now[place : place + length] = [value] * length
    place += length
    now[place] = _run_end(bits, states, value, above[place])
    states.run = max(states.run - 1, 0)
    return place + 1


def _run_end(bits: _Bits, states: _States, left: int, over: int) -> int:
    """Decode the pixel after a run (T.87, A.7.2)."""
    alike = int(abs(left - over) <= states.coding.near)
    index = 365 + alike
    k = states.k_of(index, states.sums[index] + (states.counts[index] >> 1) * alike)
    mapped = states.bounded(bits.golomb(k, states.limit - _RUNS[states.run] - 1, states.plain))
    odd = (mapped + alike) & 1
    error = mapped + alike + 1 >> 1
    if (k != 0 or 2 * states.below[alike] >= states.counts[index]) == bool(odd):
        error = -error
    states.below[alike] += error < 0
    states.sums[index] += mapped + 1 - alike >> 1
    if states.counts[index] == states.coding.reset:
        states.sums[index] >>= 1
        states.counts[index] >>= 1
        states.below[alike] >>= 1
    states.counts[index] += 1
    return states.pixel(left if alike else over, -error if not alike and left > over else error)
