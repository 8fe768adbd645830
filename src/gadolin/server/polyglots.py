"""Polyglots: images that are also a file that a browser or another program could execute."""

from __future__ import annotations

import re

__all__ = ["is_something_else"]

_MARKUP = re.compile(rb"<(?:html|script|iframe|!doctype|svg[\s>]|\?xml-stylesheet)|javascript:", re.IGNORECASE)
_STARTS = (b"%PDF-", b"MZ", b"\x7fELF", b"#!", b"<", b"PK\x03\x04")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF", b"II*\x00", b"MM\x00*")
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG = b"\x89PNG\r\n\x1a\n"
_ARCHIVE = b"PK\x05\x06"  # the record that ends every ZIP archive, before a comment
_TAIL = 65_557  # bytes at the end that can hold this record
_PREAMBLE = 128


def is_something_else(content: bytes) -> bool:
    """Return whether a file of a known format also holds a web page, script, document, archive or program.

    Checks for markup anywhere, the start of another file in a DICOM preamble, a document in an image, an archive at the
    end of an image, and another file after the end of a PNG or JPEG.
    """
    if content[_PREAMBLE : _PREAMBLE + 4] == b"DICM" and content.startswith(_STARTS):
        return True
    if content.startswith(_PICTURES) and (_ARCHIVE in content[-_TAIL:] or b"%PDF-" in content):
        return True
    rest = content[_end(content) :]
    if any(mark in rest for mark in _STARTS if len(mark) > 2):
        return True
    return _MARKUP.search(content) is not None


def _end(content: bytes) -> int:
    """Return the end of the last chunk of a PNG or the last image of a JPEG; the length of any other file."""
    if content.startswith(_JPEG) and _JPEG_END in content:
        return content.rfind(_JPEG_END) + len(_JPEG_END)
    place = len(_PNG) if content.startswith(_PNG) else len(content)
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        kind, place = content[place + 4 : place + 8], place + 12 + length
        if kind == b"IEND":
            return place
    return len(content)
