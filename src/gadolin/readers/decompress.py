"""Decompression with a limit on the memory it takes."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from gadolin.errors import DamagedFileError, TooLargeError
from gadolin.readers.contents import MAX_VOLUME_BYTES

__all__ = ["inflate", "inflated_head", "most_unpacked"]

_STEP = 1 << 20
_GZIP, _MEMBER = 31, b"\x1f\x8b"
_FREE = 64 * 1024 * 1024  # bytes that any input may unpack to
_MAX_RATIO = 250  # beyond that: unpacked over packed size; segmentations reach 200


def inflate(content: bytes, *, wbits: int, max_bytes: int = MAX_VOLUME_BYTES) -> bytes:
    """Return the decompressed bytes; ``wbits`` as for zlib: 31 for gzip, -15 for raw deflate, 15 for zlib.

    Raises ReadError if the result exceeds ``max_bytes``, or both 64 MiB and 250 times the input, and if the data is
    damaged or truncated.
    """
    return b"".join(_pieces(content, wbits, max_bytes))


def inflated_head(content: bytes, length: int, *, wbits: int) -> bytes:
    """Return up to ``length`` decompressed bytes; empty if the data is not such a stream."""
    try:
        return zlib.decompressobj(wbits).decompress(content[: length * 4 + 1024], length)
    except zlib.error:
        return b""


def most_unpacked(stored: int, max_bytes: int = MAX_VOLUME_BYTES) -> int:
    """Return how many bytes ``stored`` compressed ones may unpack to: 64 MiB, or 250 times the input."""
    return min(max_bytes, max(_FREE, _MAX_RATIO * stored))


def _pieces(content: bytes, wbits: int, max_bytes: int) -> Iterator[bytes]:
    """Yield the decompressed stream and any further gzip members, as parallel compressors write them."""
    bound = most_unpacked(len(content), max_bytes)
    stream = zlib.decompressobj(wbits)
    total, place, rest = 0, 0, b""
    try:
        while not stream.eof:
            if not rest:  # passed in steps, since zlib copies the remainder each time
                rest, place = content[place : place + _STEP], place + _STEP
            piece = stream.decompress(rest, _STEP)
            rest = stream.unconsumed_tail
            total += len(piece)
            if total > bound:
                raise TooLargeError(
                    code="unpacks_too_large",
                    rule=f"compressed data may unpack to at most {bound:,} bytes here",
                    got=f"{len(content):,} bytes unpack to more",
                    remedy="do not trust this file, or unpack it manually",
                )
            if not piece and not rest and place >= len(content) and not stream.eof:
                raise DamagedFileError(
                    code="file_not_whole",
                    rule="compressed data must be complete",
                    got="this is truncated",
                    remedy="fetch the file again",
                )
            yield piece
            if stream.eof and wbits == _GZIP:
                rest = stream.unused_data or content[place : place + 2]
                if rest.startswith(_MEMBER):
                    place += 0 if stream.unused_data else 2
                    stream = zlib.decompressobj(wbits)
    except zlib.error as error:
        raise DamagedFileError(
            code="compressed_data_damaged",
            rule="compressed data must be intact",
            got=f"this is damaged ({error})",
            remedy="fetch the file again",
        ) from error
