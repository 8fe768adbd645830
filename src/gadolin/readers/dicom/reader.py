"""DICOM through pydicom: opens a file and checks its header; ``pixels`` decodes the frames.

Only MR is accepted. Identifying data is dropped: only the geometry, the series with its description, the MRI sequence
and the patient id are kept, and the id is hashed before use.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from pydicom.dataset import Dataset

from gadolin.errors import DamagedFileError, ReadError
from gadolin.readers.contents import Contents, Place, left_out
from gadolin.readers.dicom.frames import Geometry, geometry_of, in_order
from gadolin.readers.dicom.functional_groups import facts_of
from gadolin.readers.dicom.header import PIXELS, Layout, layout_of
from gadolin.readers.dicom.mri_sequence import sequence_of
from gadolin.readers.dicom.object_types import (
    accompanying,
    is_localiser,
    is_mr_class,
    no_slice_of,
    require_one_slice,
    without_pixels,
)
from gadolin.readers.dicom.parser import parse
from gadolin.readers.dicom.pixels import decode_slice
from gadolin.readers.dicom.values import one_line, tag_of, texts, whole_number
from gadolin.readers.planes import localiser_error
from gadolin.records import Series, Slice

__all__ = ["as_damaged", "open_dicom"]

_MOST_NUMBER = 2**31 - 1
_LONGEST = 64  # characters of a description, as in the standard


def open_dicom(content: bytes) -> Contents:
    """Return the contents of a DICOM file: one slice, or its frames in anatomical order.

    Folder reading skips objects that accompany a series, localisers, parts of a complex signal and computed maps.
    Raises ReadError for damaged files, other modalities, mosaics, and images that exceed a limit.
    """
    with as_damaged():
        dataset = parse(content)
        skip = accompanying(dataset)
        if skip is not None:
            return left_out("DICOM", skip)
        _require_mr(dataset)
        if not any(tag_of(name) in dataset for name in PIXELS):
            return left_out("DICOM", without_pixels(dataset))
        return _opened(dataset, layout_of(dataset))


@contextmanager
def as_damaged() -> Iterator[None]:
    """Raise the error for a damaged DICOM file in place of any exception of the block but a ReadError."""
    try:
        yield
    except ReadError:
        raise
    except Exception as error:
        raise DamagedFileError(
            code="damaged_file",
            rule="a DICOM file must be intact",
            got=one_line(f"this one is damaged ({type(error).__name__}: {error})"),
            remedy="export it again or remove it",
        ) from error


def _require_mr(dataset: Dataset) -> None:
    modality = one_line(" ".join(dict.fromkeys(texts(dataset, "Modality")))).upper()
    if modality != "MR" and (modality or not is_mr_class(dataset)):
        got = f"its modality is {modality}" if modality else "it has no modality"
        raise ReadError(
            code="not_mr", rule="a DICOM file must come from MR", got=f"this one does not: {got}", remedy="leave it out"
        )


def _opened(dataset: Dataset, layout: Layout) -> Contents:
    facts = facts_of(dataset, layout.frames)
    geometry = [geometry_of(one) for one in facts]
    if is_localiser(dataset, facts[0], geometry):
        return left_out("DICOM", localiser_error())
    require_one_slice(dataset, facts[0])
    no_slice = [no_slice_of(dataset, one) for one in facts]
    if no_slice[0] is not None and all(no_slice):
        return left_out("DICOM", no_slice[0])
    order = in_order(facts, geometry, [why is not None for why in no_slice])

    def decode(number: int) -> Slice:
        frame = order[number]
        why = no_slice[frame]
        if why is not None:
            raise why
        shown = decode_slice(dataset, layout, frame, facts[frame], spacing_mm=geometry[frame].spacing_mm)
        return replace(
            shown,
            sequence=sequence_of(dataset, facts[frame]),
            series=_series(dataset, geometry[frame]),
            orientation=geometry[frame].orientation,
        )

    def sequence(number: int) -> str:
        return sequence_of(dataset, facts[order[number]])

    return Contents(
        kind="DICOM",
        slices=layout.frames,
        decode=decode,
        sequence=sequence,
        place=_place(dataset, geometry[0]),
        stored_frame=order.__getitem__,
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
        description=one_line(" ".join(texts(dataset, "SeriesDescription")))[:_LONGEST],
    )


def _series(dataset: Dataset, geometry: Geometry) -> Series | None:
    place = _place(dataset, geometry)
    if not place.series:
        return None
    return Series(
        key=place.series,
        number=whole_number(dataset, "SeriesNumber"),
        description=place.description,
        position_mm=None if place.position is None else round(place.position, 3),
        instance=place.instance,
    )


def _patient(dataset: Dataset) -> str:
    """Return the patient id decoded by pydicom, or as Latin-1 if its character set is unknown."""
    try:
        return str(dataset.get("PatientID") or "").strip()
    except Exception:  # noqa: BLE001  # pydicom raises any exception
        return " ".join(texts(dataset, "PatientID"))
