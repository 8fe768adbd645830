"""Multipart messages with DICOM files, as in DICOMweb, without a second copy of what they carry."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Sequence
from email.message import Message
from typing import Final

__all__ = ["RELATED", "Parts", "boundary_of", "first_part"]

RELATED: Final = 'multipart/related; type="application/dicom"'
"""The media type of a message with DICOM files."""

_LONGEST_HEAD: Final = 2**16  # bytes before the content of a part


class Parts:
    """The body of a message with DICOM files: iterable, with a length, of the type ``content_type``."""

    def __init__(self, contents: Sequence[bytes]) -> None:
        boundary = secrets.token_hex(16)
        self.content_type = f"{RELATED}; boundary={boundary}"
        self._contents = contents
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._end = f"--{boundary}--\r\n".encode()

    def __len__(self) -> int:
        """Return the number of bytes."""
        return sum(len(self._head) + len(one) + 2 for one in self._contents) + len(self._end)

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in pieces; the contents are not copied."""
        for one in self._contents:
            yield self._head
            yield one
            yield b"\r\n"
        yield self._end


def boundary_of(content_type: str) -> bytes:
    """Return the boundary of a multipart message; raises ValueError if it has none."""
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_boundary()
    if message.get_content_maintype() != "multipart" or not boundary:
        what = "no multipart message"
        raise ValueError(what)
    return boundary.encode()


def first_part(pieces: Iterable[bytes], boundary: bytes) -> Iterator[bytes]:
    """Yield the content of the first part of a message; raises ValueError if it is not whole."""
    end = b"\r\n--" + boundary
    held, is_inside = b"", False
    for piece in pieces:
        held += piece
        if not is_inside:
            start = held.find(b"\r\n\r\n")
            if start < 0 and len(held) < _LONGEST_HEAD:
                continue
            if start < 0 or b"--" + boundary not in held[:start]:
                break
            held, is_inside = held[start + 4 :], True
        at = held.find(end)
        if at >= 0:
            yield held[:at]
            return
        yield held[: -len(end)]
        held = held[-len(end) :]
    what = "a message that is not whole"
    raise ValueError(what)
