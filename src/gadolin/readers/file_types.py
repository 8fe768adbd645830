"""What the first bytes of a file announce."""

from __future__ import annotations

import struct
from pathlib import PurePath

from gadolin.errors import UnknownFormatError
from gadolin.readers.decompress import inflated_head
from gadolin.readers.registry import plugin_format, plugin_suffixes

__all__ = ["HEAD", "SUFFIXES", "file_kind", "foreign", "is_other"]

HEAD = 4096  # bytes that tell, of a gzipped volume too

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
"""The formats that are read without a plug-in, and their file endings."""
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
_TEXT = bytes({*range(7, 14), 26, 27, *range(32, 256)})  # in the first bytes of every format that is read is another


def foreign() -> UnknownFormatError:
    """Return why a folder leaves out a file that neither is a slice nor passes for one."""
    return UnknownFormatError(
        code="not_a_picture", rule="a slice must be of a format that is read", got="this file is of none"
    )


def file_kind(head: bytes) -> str | None:
    """Return the format that the first 4,096 bytes of a file announce, or None where none is known.

    One of PNG, JPEG, BMP, TIFF, WEBP, DICOM (PS3.10, 7.1), MATLAB and NIfTI, the last plain or gzipped; a text is none
    of these, whatever it begins with. Else the name of the plug-in reader that recognises it.
    """
    return _own_kind(head) or plugin_format(head)


def _own_kind(head: bytes) -> str | None:
    if not head.startswith(_GZIP) and head[512:520] != _HDF5 and not head[:512].translate(None, _TEXT):
        return None
    if head[128:132] == b"DICM" or _bare_dicom(head):  # first, since the 128 bytes before it may be anything
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
    """Return whether a file begins as BMP does, not only as a text may: "BM", sizes, then a header of a known size."""
    whole = int.from_bytes(head[14:18], "little") in _BMP_HEADERS if len(head) >= 18 else b"\0" in head
    return head[:2] == b"BM" and whole


def _is_matlab(head: bytes) -> bool:
    """Return whether a file begins with MATLAB's words and then as a file of it does, not only as a text may."""
    known = head[126:128] in (b"IM", b"MI") or head[512:520] == _HDF5
    return head.startswith(_MATLAB) and known


def _bare_dicom(head: bytes) -> bool:
    """Return whether a file begins as DICOM without its preamble does: with group 2 or 8, little-endian."""
    group, element, length = struct.unpack_from("<HHI", head) if len(head) >= 8 else (0, 0, 0)
    return group in (2, 8) and element <= 0x20 and (head[4:6] in _FIRST_VRS or length <= 64)


def is_other(name: str, head: bytes) -> bool:
    """Return whether a file is none of ours: it holds something else and does not go by the name of a slice.

    One that is named like a slice and is none is not: what is wrong with it is to be told. Nor is an empty one without
    a suffix, or with a number for one, as DICOM files often have.
    """
    suffix = PurePath(name).suffix.lower()
    if not head:
        return bool(suffix) and not suffix[1:].isdecimal() and not _named_like_a_slice(name)
    return file_kind(head) is None and not _named_like_a_slice(name)


def _named_like_a_slice(name: str) -> bool:
    """Return whether a file has the ending of a format that is read."""
    return name.lower().endswith(_OWN_SUFFIXES) or name.lower().endswith(plugin_suffixes())
