"""Detect the format of a file from its first bytes."""

from __future__ import annotations

import struct
from pathlib import PurePath

from gadolin.errors import UnknownFormatError
from gadolin.readers.decompress import inflated_head
from gadolin.readers.registry import plugin_format, plugin_suffixes

__all__ = ["HEAD", "SUFFIXES", "file_kind", "foreign_error", "is_other"]

HEAD = 4096  # bytes that suffice for detection, also for a gzipped volume

_FIRST_VRS = (b"UL", b"CS", b"OB", b"DA", b"UI", b"TM")
SUFFIXES = {
    "BMP": (".bmp",),
    "DICOM": (".dcm",),
    "JPEG": (".jpg", ".jpeg"),
    "MATLAB": (".mat",),
    "NIfTI": (".nii", ".nii.gz"),
    "PNG": (".png",),
    "TIFF": (".tif", ".tiff"),
    "WEBP": (".webp",),
}
"""The built-in formats and their file endings."""
_OWN_SUFFIXES = tuple(suffix for each in SUFFIXES.values() for suffix in each)

_PICTURES = {
    "PNG": (b"\x89PNG\r\n\x1a\n",),
    "JPEG": (b"\xff\xd8\xff",),
    "TIFF": (b"II*\x00", b"MM\x00*", b"II+\x00\x08\x00", b"MM\x00+\x00\x08"),
}
_BMP_HEADERS = {12, 16, 40, 52, 56, 64, 108, 124}  # bytes
_MATLAB = (b"MATLAB 5.0 MAT-file", b"MATLAB 7.3 MAT-file")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_GZIP = b"\x1f\x8b"
_TEXT = bytes({*range(7, 14), 26, 27, *range(32, 256)})  # plain text; supported formats hold other bytes


def foreign_error() -> UnknownFormatError:
    """Return the reason to skip a file that is not a slice, neither by content nor by name."""
    return UnknownFormatError(
        code="not_a_picture", rule="a slice must have a supported format", got="this file does not"
    )


def file_kind(head: bytes) -> str | None:
    """Return the format of a file from its first 4,096 bytes, or None if unknown.

    One of PNG, JPEG, BMP, TIFF, WEBP, DICOM (PS3.10, 7.1), MATLAB and NIfTI, the last plain or gzipped; plain text is
    none of these. Else the name of the plug-in reader that recognises the file.
    """
    return _own_kind(head) or plugin_format(head)


def _own_kind(head: bytes) -> str | None:
    if not head.startswith(_GZIP) and head[512:520] != _HDF5 and not head[:512].translate(None, _TEXT):
        return None
    if head[128:132] == b"DICM" or _bare_dicom(head):  # first: the 128-byte preamble may hold anything
        return "DICOM"
    for kind, starts in _PICTURES.items():
        if head.startswith(starts):
            return kind
    if head[:4] == b"RIFF" and head[8:15] == b"WEBPVP8":
        return "WEBP"
    if _is_bmp(head):
        return "BMP"
    if head.startswith(_HDF5) or _is_matlab(head):
        return "MATLAB"
    volume = inflated_head(head, 544, wbits=31) if head.startswith(_GZIP) else head
    return "NIfTI" if volume[344:347] in (b"n+1", b"ni1") or volume[4:7] in (b"n+2", b"ni2") else None


def _is_bmp(head: bytes) -> bool:
    """Return whether a file begins like BMP: "BM", sizes, then a header of known size, which plain text lacks."""
    whole = int.from_bytes(head[14:18], "little") in _BMP_HEADERS if len(head) >= 18 else b"\0" in head
    return head[:2] == b"BM" and whole


def _is_matlab(head: bytes) -> bool:
    """Return whether a file begins with the text of MATLAB and then its binary mark, which plain text lacks."""
    known = head[126:128] in (b"IM", b"MI") or head[512:520] == _HDF5
    return head.startswith(_MATLAB) and known


def _bare_dicom(head: bytes) -> bool:
    """Return whether a file begins like DICOM without a preamble: with group 2 or 8, little-endian."""
    group, element, length = struct.unpack_from("<HHI", head) if len(head) >= 8 else (0, 0, 0)
    return group in (2, 8) and element <= 0x20 and (head[4:6] in _FIRST_VRS or length <= 64)


def is_other(name: str, head: bytes) -> bool:
    """Return whether a file can be skipped: it has neither the content nor the suffix of a slice.

    A file with the suffix but not the content of a slice is not skipped, so that the error is reported. Nor is an empty
    file without a suffix or with a numeric one, as DICOM files often have.
    """
    suffix = PurePath(name).suffix.lower()
    if not head:
        return bool(suffix) and not suffix[1:].isdecimal() and not _has_slice_suffix(name)
    return file_kind(head) is None and not _has_slice_suffix(name)


def _has_slice_suffix(name: str) -> bool:
    """Return whether a file has the suffix of a supported format."""
    return name.lower().endswith(_OWN_SUFFIXES) or name.lower().endswith(plugin_suffixes())
