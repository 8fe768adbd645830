"""Pictures that are something else as well: what a browser or another program could be made to run."""

from __future__ import annotations

import re

__all__ = ["is_something_else"]

_MARKUP = re.compile(rb"<(?:html|script|iframe|!doctype|svg[\s>]|\?xml-stylesheet)|javascript:", re.IGNORECASE)
_STARTS = (b"%PDF-", b"MZ", b"\x7fELF", b"#!", b"<", b"PK\x03\x04")
_PICTURES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF", b"II*\x00", b"MM\x00*")
_JPEG, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG = b"\x89PNG\r\n\x1a\n"
_ARCHIVE = b"PK\x05\x06"  # the record that ends every ZIP archive, before a comment
_TAIL = 65_557  # bytes that it lies in
_PREAMBLE = 128


def is_something_else(content: bytes) -> bool:
    """Return whether a file of a known format also is, or hides, a page, a script, a document, an archive or a program.

    Inspected for: markup anywhere; another file's beginning in a DICOM preamble; a document in a picture, an
    archive at its end, another file after a PNG's or JPEG's.
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
    """Return where a PNG's last chunk ends, or a JPEG's last picture; the length of any other file."""
    if content.startswith(_JPEG) and _JPEG_END in content:
        return content.rfind(_JPEG_END) + len(_JPEG_END)
    place = len(_PNG) if content.startswith(_PNG) else len(content)
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4])
        kind, place = content[place + 4 : place + 8], place + 12 + length
        if kind == b"IEND":
            return place
    return len(content)
