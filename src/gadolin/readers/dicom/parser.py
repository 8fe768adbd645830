"""Parse the elements of a DICOM file up to its pixels, tolerating non-standard elements."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import data_element_generator, read_dataset
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32, VR

from gadolin.errors import DamagedFileError
from gadolin.readers.decompress import inflate

__all__ = ["parse"]

_PREAMBLE: Final = 128
_FIRST_ELEMENTS: Final = 4096  # bytes that contain the character set
_PIXELS: Final = (0x7FE00008, 0x7FE00009, 0x7FE00010)
_UNDEFINED: Final = 0xFFFFFFFF
_TYPES: Final = frozenset(each.value for each in VR if len(each.value) == 2)


def parse(content: bytes) -> Dataset:
    """Return the raw elements of a DICOM file, with its meta group.

    ``dcmread`` is not used, because it inflates a deflated data set without a limit. Raises ReadError if the transfer
    syntax is missing and cannot be inferred; any pydicom exception if the elements cannot be parsed.
    """
    file = io.BytesIO(content)
    file.seek(_PREAMBLE + 4 if content[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0)
    meta = FileMetaDataset(read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2))
    declared = bool(meta.get("TransferSyntaxUID"))
    if not declared:  # as in old archives without preamble and meta group
        vr = content[file.tell() + 4 : file.tell() + 6]
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if vr.isupper() else uid.ImplicitVRLittleEndian
    meta.TransferSyntaxUID = syntax = uid.UID(str(meta.TransferSyntaxUID).strip(" \0"))
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        file = io.BytesIO(inflate(content[file.tell() :], wbits=-15))
    little = syntax != uid.ExplicitVRBigEndian
    dataset = _dataset(file, implicit=syntax == uid.ImplicitVRLittleEndian, little=little)
    if not declared and not _is_plain(dataset):
        raise DamagedFileError(
            code="transfer_syntax_missing",
            rule="a DICOM file must declare its transfer syntax",
            got="this one does not",
            remedy="export it again",
        )
    dataset.file_meta = meta
    return dataset


def _dataset(file: io.BytesIO, *, implicit: bool, little: bool) -> Dataset:
    """Parse a data set; on failure, or without pixels, retry without the elements that pydicom rejects."""
    start = file.tell()
    try:
        dataset = read_dataset(file, implicit, little, stop_when=_after_pixels())
    except Exception:  # pydicom raises any exception
        file.seek(start)
        content = file.read()
        found = _as_far_as_pixels(content, implicit=implicit, little=little)
        if found is not None:
            return found
        mended = _mended(content, implicit=implicit, little=little)
        if mended is None:
            raise
    else:
        if implicit or any(tag in dataset for tag in _PIXELS):
            return dataset
        file.seek(start)
        mended = _with_known_types(file.read(), little=little)
        if mended is None:
            return dataset
    return read_dataset(io.BytesIO(mended), implicit, little, stop_when=_after_pixels())


def _as_far_as_pixels(content: bytes, *, implicit: bool, little: bool) -> Dataset | None:
    """Return the elements up to the pixels if only later ones are broken, else None."""
    elements = {}
    with suppress(Exception):  # pydicom raises any exception
        for each in data_element_generator(io.BytesIO(content), implicit, little):
            elements[each.tag] = each
            if each.tag in _PIXELS:
                return Dataset(elements)
    return None


def _after_pixels() -> Callable[[int, str | None, int], bool]:
    """Return a callback that stops pydicom after the pixels; later elements are not needed."""
    seen = False

    def stop(tag: int, _vr: str | None, _length: int) -> bool:
        nonlocal seen
        stops, seen = seen, tag in _PIXELS
        return stops

    return stop


def _is_plain(dataset: Dataset) -> bool:
    """Return whether the pixels are uncompressed (of defined length), so that the syntax can be inferred."""
    pixels = [dataset.get_item(tag) for tag in _PIXELS if tag in dataset]
    return all(getattr(each, "length", _UNDEFINED) != _UNDEFINED for each in pixels)


def _mended(content: bytes, *, implicit: bool, little: bool) -> bytes | None:
    blanked = _without_character_set(content, implicit=implicit, little=little)
    if implicit:
        return blanked
    return _with_known_types(blanked or content, little=little) or blanked


def _without_character_set(content: bytes, *, implicit: bool, little: bool) -> bytes | None:
    """Return the data set with a blank character set, or None if its first elements have none."""
    order = "<" if little else ">"
    place = content.find(struct.pack(f"{order}HH", 0x0008, 0x0005), 0, _FIRST_ELEMENTS)
    if place < 0 or len(content) < place + 12:
        return None
    if implicit or content[place + 4 : place + 6].decode("latin-1") in EXPLICIT_VR_LENGTH_32:
        first = place + (8 if implicit else 12)
        length = struct.unpack_from(f"{order}I", content, first - 4)[0]
    else:
        first, length = place + 8, struct.unpack_from(f"{order}H", content, place + 6)[0]
        content = content[: place + 4] + b"CS" + content[place + 6 :]
    return content[:first] + b" " * length + content[first + length :] if length < _FIRST_ELEMENTS else None


def _with_known_types(content: bytes, *, little: bool) -> bytes | None:
    """Return an explicit data set with unknown VRs changed to LO, or None if all VRs are known."""
    order, place, odd = "<" if little else ">", 0, []
    while place + 12 <= len(content):
        group, element = struct.unpack_from(f"{order}HH", content, place)
        kind = content[place + 4 : place + 6].decode("latin-1")
        if kind not in _TYPES:
            odd.append(place + 4)
        if kind in EXPLICIT_VR_LENGTH_32:
            length, head = struct.unpack_from(f"{order}I", content, place + 8)[0], 12
        else:
            length, head = struct.unpack_from(f"{order}H", content, place + 6)[0], 8
        following = place + head + length
        if length == _UNDEFINED or struct.pack(">HH", group, element) >= _tag_at(content, following, order):
            break  # a sequence of undefined length, or not a chain of elements
        place = following
    changed = bytearray(content)
    for each in odd:
        changed[each : each + 2] = b"LO"
    return bytes(changed) if odd else None


def _tag_at(content: bytes, place: int, order: str) -> bytes:
    """Return the tag at an offset as comparable bytes; beyond the end, a value after all tags."""
    if place + 4 > len(content):
        return b"\xff" * 5
    return struct.pack(">HH", *struct.unpack_from(f"{order}HH", content, place))
