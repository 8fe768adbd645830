"""The report: DICOM SR by template TID 1500, with one measurement group (TID 1501) for each slice."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    DeviceObserverIdentifyingAttributes,
    ImageLibrary,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from gadolin._version import __version__
from gadolin.dicom_results import codes as own
from gadolin.dicom_results.equipment import device_uid, stamp
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult, SliceResult
from gadolin.records import NOTICE, Prediction

__all__ = ["measurement_report"]

_SERIES_NUMBER: Final = 9501
_DESCRIPTION: Final = "Gadolin report (research only)"
_NO_SERIES_VERDICT: Final = (
    "{answered} of {total} slices are answered, the others are declined. Each statement is about one slice: "
    "no statement about the series or the patient was validated."
)


def measurement_report(result: SeriesResult) -> ComprehensiveSR:
    """Return the report of a series; equal results give equal bytes.

    The first text item says that it is for research only, the second how many slices are answered. Each group refers to
    its slice and holds the probabilities, and codes for: neoplasm detected, not detected or indeterminate; the
    predicted class or the reason for declining the slice; the MRI sequence that the model recognises.
    """
    groups = [_group(result, one) for one in result.slices]
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=device_observer(result.model)),
        procedure_reported=codes.cid100.MRIUnspecifiedBodyRegion,
        imaging_measurements=groups[:1],
        title=codes.cid7021.ImagingMeasurementReport,
    )
    root = report[0].ContentSequence
    counted = _NO_SERIES_VERDICT.format(answered=result.answered, total=len(result.slices))
    first = next(place for place, item in enumerate(root) if item.RelationshipType == "CONTAINS")
    for place, text in enumerate((NOTICE, counted)):
        root.insert(first + place, _comment(text))
    document = ComprehensiveSR(
        evidence=[one.header for one in result.sources],
        content=report,
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
    content = document.ContentSequence
    for group in groups[1:]:
        content[-1].ContentSequence.extend(group)
    for library in _library(result):
        content.insert(len(content) - 1, library)
    return stamp(document, result.moment)


def _library(result: SeriesResult) -> Sequence[Dataset]:
    """Return the image library (TID 1600), or nothing without an image for it; highdicom lists no enhanced ones."""
    listed = [one.header for one in result.sources if not one.is_multiframe and one.instance in result.placed]
    return ImageLibrary(listed) if listed else ()


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


def _group(result: SeriesResult, one: SliceResult) -> MeasurementsAndQualitativeEvaluations:
    name = one.source.instance if one.frame is None else f"{one.source.instance} frame {one.frame}"
    return MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=result.uid("slice", name), identifier=f"Slice {name}"),
        algorithm_id=AlgorithmIdentification(
            name=MANUFACTURER,
            version=__version__,
            parameters=[f"model={result.model}"],
            family=codes.cid7162.ArtificialIntelligence,
        ),
        measurements=_measurements(one.prediction),
        qualitative_evaluations=_evaluations(one.prediction),
        source_images=[
            SourceImageForMeasurementGroup(
                referenced_sop_class_uid=str(one.source.header.SOPClassUID),
                referenced_sop_instance_uid=one.source.instance,
                referenced_frame_numbers=None if one.frame is None else [one.frame],
            )
        ],
    )


def _measurements(prediction: Prediction) -> list[Measurement]:
    found = [(own.class_probability(label), p) for label, p in prediction.probabilities.items()]
    if prediction.p_tumour is not None:
        found.append((own.P_TUMOUR, prediction.p_tumour))
    return [Measurement(name=name, value=p, unit=codes.UCUM.NoUnits) for name, p in found]


def _evaluations(prediction: Prediction) -> list[QualitativeEvaluation]:
    found: list[tuple[CodedConcept, CodedConcept]] = [(own.NEOPLASM, own.neoplasm_presence(prediction))]
    if prediction.label is not None:
        found.append((own.PREDICTED_CLASS, own.class_code(prediction.label)))
    if prediction.reason_code is not None:
        found.append((own.DECLINED_BECAUSE, own.reason_code(prediction.reason_code)))
    if prediction.sequence is not None:
        found.append((own.SEQUENCE, own.private(prediction.sequence, prediction.sequence)))
    return [QualitativeEvaluation(name=name, value=value) for name, value in found]


def _comment(text: str) -> TextContentItem:
    return TextContentItem(name=codes.DCM.Comment, value=text, relationship_type=RelationshipTypeValues.CONTAINS)
