"""The header of a JPEG-LS stream (ITU-T T.87, annex C)."""

from __future__ import annotations

import struct
from typing import Final, NamedTuple

__all__ = ["Coding", "read_header"]

_RESET: Final = 64


class Coding(NamedTuple):
    """Coding parameters of a scan (T.87, A.1), with the names of the standard."""

    rows: int
    columns: int
    near: int
    most: int  # MAXVAL
    thresholds: tuple[int, int, int]
    reset: int
    bits: int  # P

    @property
    def span(self) -> int:
        """RANGE: the number of prediction error values."""
        return (self.most + 2 * self.near) // (2 * self.near + 1) + 1


def read_header(stream: bytes) -> tuple[Coding, bytes]:
    """Return the coding parameters, and the bytes from the start of the scan."""
    place, frame, preset = 2, (0, 0, 0, 0), (0, 0, 0, 0, 0)
    while place + 4 <= len(stream) and stream[place] == 0xFF:
        marker, length = struct.unpack_from(">xBH", stream, place)
        body = stream[place + 4 : place + 2 + length]
        if marker == 0xF7:
            frame = struct.unpack_from(">BHHB", body)
        elif marker == 0xF8 and body[:1] == b"\x01":
            preset = struct.unpack_from(">x5H", body)
        elif marker == 0xDA:
            depth, rows, columns, components = frame
            if len(body) != 6 or components != 1 or body[0] != 1 or body[2] or body[4] or body[5]:
                msg = "a JPEG-LS stream must hold one component in one scan, without a table"
                raise ValueError(msg)
            if not 2 <= depth <= 16 or min(rows, columns) < 1:
                msg = f"a JPEG-LS stream must hold pixels of 2 to 16 bits, got {frame}"
                raise ValueError(msg)
            return _coding((depth, rows, columns), preset, body[3]), stream[place + 2 + length :]
        place += 2 + length
    msg = "the code stream holds no scan"
    raise ValueError(msg)


def _coding(frame: tuple[int, int, int], preset: tuple[int, ...], near: int) -> Coding:
    """Return the parameters of a scan, with the defaults of the standard (T.87, C.2.4.1.1)."""
    most = preset[0] or 2 ** frame[0] - 1
    if most >= 2 ** frame[0] or near > min(255, most // 2):
        msg = f"{frame[0]} bits hold neither values up to {most} nor errors of {near}"
        raise ValueError(msg)
    factor = (min(most, 4095) + 128) // 256
    usual = (factor + 2 + 3 * near, 4 * factor + 3 + 5 * near, 17 * factor + 4 + 7 * near)
    if most < 128:
        small = 256 // (most + 1)
        usual = (max(2, 3 // small + 3 * near), max(3, 7 // small + 5 * near), max(4, 21 // small + 7 * near))
    thresholds, least = [], near + 1
    for given, default in zip(preset[1:4], usual, strict=True):
        least = given or (default if least <= default <= most else least)
        thresholds.append(least)
    reset = preset[4] or _RESET
    if not near < thresholds[0] <= thresholds[1] <= thresholds[2] <= most or not 3 <= reset <= max(255, most):
        msg = f"the thresholds {thresholds} and the count {reset} of a scan do not fit"
        raise ValueError(msg)
    return Coding(frame[1], frame[2], near, most, (thresholds[0], thresholds[1], thresholds[2]), reset, frame[0])
