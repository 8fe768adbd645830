"""Pictures of the evidence as DICOM Secondary Capture, for viewers that show neither SR nor SEG."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Final

import numpy as np
from highdicom import CoordinateSystemNames, PhotometricInterpretationValues
from highdicom.sc import SCImage
from PIL import Image
from pydicom.dataset import Dataset

from gadolin._version import __version__
from gadolin.dicom_results.equipment import stamp
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult, SliceResult

__all__ = ["overlay_images"]

_SERIES_NUMBER: Final = 9503
_DESCRIPTION: Final = "Gadolin overlays (research only)"


def overlay_images(result: SeriesResult) -> Iterator[SCImage]:
    """Yield the overlays of a series, one image for each slice that has one."""
    for number, one in enumerate(result.slices, start=1):
        if one.overlay is not None:
            yield _image(result, one, one.overlay, number)


def _image(result: SeriesResult, one: SliceResult, png: bytes, number: int) -> SCImage:
    with Image.open(io.BytesIO(png)) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    image = SCImage.from_ref_dataset(
        ref_dataset=one.source.header,
        pixel_array=pixels,
        photometric_interpretation=PhotometricInterpretationValues.RGB,
        bits_allocated=8,
        coordinate_system=CoordinateSystemNames.PATIENT,
        patient_orientation=("L", "P"),  # required here, and replaced below
        series_instance_uid=result.uid("series", "SC"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=result.uid("instance", "SC", one.source.instance, str(one.frame)),
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number=result.model,
        series_description=_DESCRIPTION,
    )
    more = {
        "PatientOrientation": _orientation(one.prediction.orientation),
        "Laterality": None,  # required to be there, and empty for a head
        "BurnedInAnnotation": "NO",
        "ImageType": ["DERIVED", "SECONDARY"],
        "SourceImageSequence": [_reference(one)],
    }
    for name, value in more.items():
        setattr(image, name, value)
    image.copy_patient_and_study_information(one.source.header)
    return stamp(image, result.moment)


def _orientation(edges: str | None) -> list[str] | None:
    """Return the directions of rows and columns from the letters of the edges: left, right, top, bottom."""
    if not edges:
        return None
    letters = {"S": "H", "I": "F"}  # of DICOM: head and feet
    return [letters.get(edges[1], edges[1]), letters.get(edges[3], edges[3])]


def _reference(one: SliceResult) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = one.source.header.SOPClassUID
    item.ReferencedSOPInstanceUID = one.source.instance
    if one.frame is not None:
        item.ReferencedFrameNumber = one.frame
    return item
