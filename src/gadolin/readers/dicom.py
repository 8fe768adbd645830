"""DICOM through pydicom: the header is read, checked and bounded here, the pixels in ``dicom_pixels``.

Only MR is taken. What identifies a patient is not kept: of the header nothing goes on but the geometry, the series and
the patient's id, which is hashed before anything sees it.
"""

from __future__ import annotations

import hashlib
import io
from typing import Any

from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filereader import read_dataset
from pydicom.tag import Tag

from gadolin.errors import DamagedFileError, ReadError, TooLargeError
from gadolin.readers.contents import MAX_VOLUME_BYTES, Contents, Place, check_size, left_out
from gadolin.readers.dicom_pixels import Geometry, decode_slice, geometry_of
from gadolin.readers.inflate import inflate

__all__ = ["open_dicom"]

_PREAMBLE = 128
_DICOMDIR = "1.2.840.10008.1.3.10"
_PIXELS = (Tag("PixelData"), Tag("FloatPixelData"), Tag("DoubleFloatPixelData"))
_FRAMES = Tag("NumberOfFrames")
_MAX_EXPANSION = 4  # how much longer than its pixels an encapsulated element may be, which bounds run lengths too
_MAX_FRAMES = 20_000
_PLANNING = ("localizer", "localiser", "scout", "survey")


def open_dicom(content: bytes) -> Contents:
    """Return what a DICOM file holds: one slice, or the frames of a multi-frame one in anatomical order.

    Raises ReadError for what is damaged, no MR, without pixels, or larger than any slice may be.
    """
    try:
        dataset = _parse(content)
        if dataset.file_meta.get("MediaStorageSOPClassUID") == _DICOMDIR:
            return left_out(
                "DICOM",
                ReadError(
                    code="dicomdir",
                    rule="a DICOMDIR lists files and holds no slice",
                    remedy="name the files or their folder",
                ),
            )
        _require_mr(dataset)
        _require_pixels(dataset)
        if _is_localiser(dataset):
            return left_out(
                "DICOM",
                ReadError(
                    code="localiser", rule="a localiser plans a scan and shows no slice to judge", remedy="leave it out"
                ),
            )
        return _opened(dataset)
    except ReadError:
        raise
    except Exception as error:
        raise DamagedFileError(
            code="damaged_file",
            rule=_one_line(f"the DICOM file is damaged ({type(error).__name__}: {error})"),
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
    dataset = read_dataset(file, syntax == uid.ImplicitVRLittleEndian, little)
    dataset.file_meta = meta
    return dataset


def _require_mr(dataset: Dataset) -> None:
    modality = _one_line(str(dataset.get("Modality") or ""))
    if modality != "MR":
        got = f"its modality is {modality}" if modality else "it names no modality"
        raise ReadError(
            code="not_mr", rule="a DICOM file must come from MR", got=f"this one does not: {got}", remedy="leave it out"
        )


def _require_pixels(dataset: Dataset) -> None:
    """Raise ReadError unless the pixels are there and as many as the header says, before any memory is taken."""
    if not any(tag in dataset for tag in _PIXELS):
        kind = _one_line(uid.UID(str(dataset.get("SOPClassUID", ""))).name) or "unknown"
        raise ReadError(
            code="no_pixels",
            rule="a DICOM file must hold pixels",
            got=f"this one ({kind}) holds none",
            remedy="leave it out",
        )
    rows, columns = int(dataset.Rows), int(dataset.Columns)
    check_size(columns, rows)
    frames, samples = _frames(dataset), int(dataset.get("SamplesPerPixel", 1))
    total = rows * columns * frames * samples * int(dataset.BitsAllocated) // 8
    if not 1 <= frames <= _MAX_FRAMES or samples not in (1, 3) or total > MAX_VOLUME_BYTES:
        raise TooLargeError(
            code="unpacks_too_large",
            rule=(f"a DICOM file may unpack to {MAX_VOLUME_BYTES:,} bytes in {_MAX_FRAMES:,} frames of 1 or 3 samples"),
            got=f"this one claims {total:,} bytes in {frames:,} frames of {samples}",
            remedy="it is damaged or must be split",
        )
    there = max(len(dataset[tag].value or b"") for tag in _PIXELS if tag in dataset)
    if dataset.file_meta.TransferSyntaxUID.is_encapsulated:
        if there > _MAX_EXPANSION * total + 65536:
            raise DamagedFileError(
                code="compressed_too_long",
                rule="compressed pixels should be smaller than plain ones",
                got=f"got {there:,} for {total:,} bytes",
                remedy="export anew",
            )
        if frames * 8 > there:
            raise DamagedFileError(
                code="file_not_whole",
                rule="every frame must be in the file",
                got=f"{there:,} bytes cannot hold {frames:,}",
                remedy="export it again",
            )
    elif there < total * (2 if str(dataset.get("PhotometricInterpretation")) == "YBR_FULL_422" else 3) // 3:
        raise DamagedFileError(
            code="file_not_whole",
            rule="the pixels must be whole",
            got=f"the file holds {there:,} of {total:,} bytes",
            remedy="fetch it again",
        )


def _frames(dataset: Dataset) -> int:
    return int(dataset[_FRAMES].value or 1) if _FRAMES in dataset else 1


def _opened(dataset: Dataset) -> Contents:
    frames = _frames(dataset)
    geometry = [geometry_of(dataset, frame) for frame in range(frames)]
    order = sorted(range(frames), key=lambda frame: geometry[frame].position or 0.0)
    return Contents(
        kind="DICOM",
        slices=frames,
        decode=lambda number: decode_slice(dataset, order[number], geometry[order[number]]),
        place=_place(dataset, geometry[0]),
        patient_id=str(dataset.get("PatientID") or "").strip(),
        clinical=True,
    )


def _place(dataset: Dataset, geometry: Geometry) -> Place:
    series, number, instance = (dataset.get(name) for name in ("SeriesInstanceUID", "SeriesNumber", "InstanceNumber"))
    return Place(
        series=hashlib.sha256(str(series).encode()).hexdigest()[:16] if series else "",
        number="" if number is None else str(number),
        position=geometry.position,
        direction=geometry.direction,
        instance=int(instance) if str(instance or "").strip().isdecimal() else 0,
    )


def _is_localiser(dataset: Dataset) -> bool:
    """Tell whether a file plans a scan, by its image type or, where scanners leave that out, its series' name."""
    kinds = [str(value).upper() for value in _values(dataset.get("ImageType"))]
    named = f"{dataset.get('SeriesDescription', '')} {dataset.get('ProtocolName', '')}".lower()
    return "LOCALIZER" in kinds or any(word in named for word in _PLANNING)


def _values(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) or hasattr(value, "append") else [value]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:400]
