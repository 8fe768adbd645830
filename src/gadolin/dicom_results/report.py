"""The report: DICOM SR by template TID 1500, with one measurement group (TID 1501 or TID 1410) for each slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from highdicom.sr import (
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    RelationshipTypeValues,
    TextContentItem,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from gadolin._version import __version__
from gadolin.dicom_results import codes as own
from gadolin.dicom_results.encoded import CHARACTER_SET, as_read, mark_as_read
from gadolin.dicom_results.equipment import device_uid, stamp
from gadolin.dicom_results.image_library import image_library
from gadolin.dicom_results.measurement_groups import Group, copied_groups, measurement_group, subjects_of
from gadolin.dicom_results.segmentation import lesion_frames
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult
from gadolin.records import NOTICE

__all__ = ["device_observer", "measurement_report"]

_SERIES_NUMBER: Final = 9501
_DESCRIPTION: Final = "Gadolin report (research only)"
_NO_SERIES_VERDICT: Final = (
    "{answered} of {total} slices are answered, {declined} declined. Each statement is about one slice: "
    "no statement about the series or the patient was validated."
)


def measurement_report(result: SeriesResult, lesions: Sequence[Dataset] = ()) -> ComprehensiveSR:
    """Return the report of a series; ``lesions`` are its segmentations. Equal results give equal bytes.

    The first text item says that it is for research only, the second how many slices are answered. Each group refers to
    its slice and holds the probabilities, and codes for: neoplasm detected, not detected or indeterminate; the
    predicted class or the reason for declining the slice; the MRI sequence that the model recognises. That of a slice
    with a lesion in a segmentation refers to it.
    """
    subjects = list(subjects_of(result, lesion_frames(lesions)))
    document = ComprehensiveSR(
        evidence=[*(one.header for one in result.sources), *lesions],
        content=_content(result, measurement_group(subjects[0])),
        series_instance_uid=result.uid("series", "SR"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=result.uid("instance", "SR"),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number=result.model,
        series_description=_DESCRIPTION,
        is_complete=True,
        is_final=False,
        is_verified=False,
        coding_schemes=[own.coding_scheme()],
    )
    # The rest is added only now, because the document copies and searches all content that it is given.
    *context, measured = document.ContentSequence
    measured.ContentSequence = []
    measured = as_read(measured)
    measured.ContentSequence = list(copied_groups(subjects))
    library = [one.header for one in result.sources if not one.is_multiframe and one.instance in result.placed]
    listed = [image_library(library)] if library else []  # highdicom describes no enhanced images
    document["ContentSequence"].value = [*context, *listed, measured]
    document.SpecificCharacterSet = CHARACTER_SET
    mark_as_read(document)
    return stamp(document, result.moment)


def device_observer(model: str) -> ObserverContext:
    """Return the software and the model as the observer (TID 1002, 1004)."""
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=device_uid(model),
            name=MANUFACTURER,
            manufacturer_name=MANUFACTURER,
            model_name=f"{MANUFACTURER} {__version__}",
            serial_number=model,
        ),
    )


def _content(result: SeriesResult, group: Group) -> MeasurementReport:
    """Return the report with its title, context and texts, and the first group."""
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=device_observer(result.model)),
        procedure_reported=codes.cid100.MRIUnspecifiedBodyRegion,
        imaging_measurements=[group],
        title=own.REPORT,
    )
    root = report[0].ContentSequence
    total = len(result.slices)
    counted = _NO_SERIES_VERDICT.format(answered=result.answered, total=total, declined=total - result.answered)
    first = next(place for place, item in enumerate(root) if item.RelationshipType == "CONTAINS")
    for place, text in enumerate((NOTICE, counted)):
        root.insert(first + place, _comment(text))
    for container in (report[0], root[-1]):
        container.ContinuityOfContent = "SEPARATE"
    return report


def _comment(text: str) -> TextContentItem:
    return TextContentItem(name=codes.DCM.Comment, value=text, relationship_type=RelationshipTypeValues.CONTAINS)
