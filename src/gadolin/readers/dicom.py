"""DICOM through pydicom: the header is read, checked and bounded here, the pixels in ``dicom_pixels``.

Only MR is taken. What identifies a patient is not kept: of the header nothing goes on but the geometry, the series and
the patient's id, which is hashed before anything sees it.
"""

from __future__ import annotations

import hashlib
import io
import struct

from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.valuerep import EXPLICIT_VR_LENGTH_32

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import Contents, Place, left_out
from gadolin.readers.dicom_frames import Geometry, geometry_of, in_order
from gadolin.readers.dicom_header import PIXELS, Layout, layout_of
from gadolin.readers.dicom_kinds import accompanying, localiser, no_slice_of, require_one_slice, without_pixels
from gadolin.readers.dicom_pixels import decode_slice
from gadolin.readers.dicom_values import one_line, tag_of, texts, whole_number
from gadolin.readers.inflate import inflate
from gadolin.records import Slice

__all__ = ["open_dicom"]

_PREAMBLE = 128
_FIRST_ELEMENTS = 4096  # bytes in which a character set stands
_MOST_NUMBER = 2**31 - 1


def open_dicom(content: bytes) -> Contents:
    """Return what a DICOM file holds: one slice, or the frames of a multi-frame one in anatomical order.

    Objects that go with a series, localisers, parts of a complex signal and computed maps are left out of folders.
    Raises ReadError for what is damaged, no MR, several slices in one picture, or larger than any slice may be.
    """
    try:
        dataset = _parse(content)
        beside = accompanying(dataset)
        if beside is not None:
            return left_out("DICOM", beside)
        _require_mr(dataset)
        if not any(tag_of(name) in dataset for name in PIXELS):
            return left_out("DICOM", without_pixels(dataset))
        return _opened(dataset, layout_of(dataset))
    except ReadError:
        raise
    except Exception as error:
        raise DamagedFileError(
            code="damaged_file",
            rule=one_line(f"the DICOM file is damaged ({type(error).__name__}: {error})"),
            remedy="export it again or remove it",
        ) from error


def _parse(content: bytes) -> Dataset:
    """Parse the file without ``dcmread``, which would inflate a deflated data set without bound."""
    file = io.BytesIO(content)
    file.seek(_PREAMBLE + 4 if content[_PREAMBLE : _PREAMBLE + 4] == b"DICM" else 0)
    meta = FileMetaDataset(read_dataset(file, False, True, stop_when=lambda tag, _vr, _length: tag >> 16 != 2))
    if not meta and file.tell() == 0:  # neither preamble nor meta group, as old archives keep them
        meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian if content[4:6].isupper() else uid.ImplicitVRLittleEndian
    syntax = meta.get("TransferSyntaxUID")
    if not syntax:
        raise DamagedFileError(
            code="transfer_syntax_missing",
            rule="a DICOM file must name its transfer syntax",
            got="this one does not",
            remedy="export it again",
        )
    if syntax == uid.DeflatedExplicitVRLittleEndian:
        file = io.BytesIO(inflate(content[file.tell() :], wbits=-15))
    little = syntax != uid.ExplicitVRBigEndian
    dataset = _dataset(file, implicit=syntax == uid.ImplicitVRLittleEndian, little=little)
    dataset.file_meta = meta
    return dataset


def _dataset(file: io.BytesIO, *, implicit: bool, little: bool) -> Dataset:
    """Parse a data set; where its character set makes no sense, which only texts need, without it."""
    start = file.tell()
    try:
        return read_dataset(file, implicit, little)
    except Exception:  # pydicom raises what it meets
        file.seek(start)
        blanked = _without_character_set(file.read(), implicit=implicit, little=little)
        if blanked is None:
            raise
        return read_dataset(io.BytesIO(blanked), implicit, little)


def _without_character_set(content: bytes, *, implicit: bool, little: bool) -> bytes | None:
    """Return a data set whose character set is blank, or None where it names none in its first elements."""
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


def _require_mr(dataset: Dataset) -> None:
    modality = one_line(" ".join(texts(dataset, "Modality"))).upper()
    if modality != "MR":
        got = f"its modality is {modality}" if modality else "it names no modality"
        raise ReadError(
            code="not_mr", rule="a DICOM file must come from MR", got=f"this one does not: {got}", remedy="leave it out"
        )


def _opened(dataset: Dataset, layout: Layout) -> Contents:
    frames = layout.frames
    geometry = [geometry_of(dataset, frame) for frame in range(frames)]
    plan = localiser(dataset, geometry)
    if plan is not None:
        return left_out("DICOM", plan)
    require_one_slice(dataset)
    no_slice = [no_slice_of(dataset, frame) for frame in range(frames)]
    if no_slice[0] is not None and all(no_slice):
        return left_out("DICOM", no_slice[0])
    order = in_order(dataset, geometry, [why is not None for why in no_slice])

    def decode(number: int) -> Slice:
        frame = order[number]
        why = no_slice[frame]
        if why is not None:
            raise why
        return decode_slice(dataset, layout, frame, geometry[frame].spacing_mm)

    return Contents(
        kind="DICOM",
        slices=frames,
        decode=decode,
        place=_place(dataset, geometry[0]),
        patient_id=_patient(dataset),
        clinical=True,
    )


def _place(dataset: Dataset, geometry: Geometry) -> Place:
    series, number = (one_line(" ".join(texts(dataset, name))) for name in ("SeriesInstanceUID", "SeriesNumber"))
    instance = whole_number(dataset, "InstanceNumber") or 0
    return Place(
        series=hashlib.sha256(series.encode()).hexdigest()[:16] if series else "",
        number=number,
        position=geometry.position,
        direction=geometry.direction,
        instance=instance if 0 <= instance <= _MOST_NUMBER else 0,
    )


def _patient(dataset: Dataset) -> str:
    """Return the patient's id as pydicom decodes it, or its plain bytes where its character set is unknown."""
    try:
        return str(dataset.get("PatientID") or "").strip()
    except Exception:  # noqa: BLE001  # pydicom raises what it meets
        return " ".join(texts(dataset, "PatientID"))
