"""The measurement groups of the report, one for each slice.

The group of a slice whose predicted lesion is in a segmentation is by TID 1410 and refers to the frame of the lesion,
that of any other slice is by TID 1501. highdicom builds one group of each kind; the others are copies of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    Measurement,
    MeasurementsAndQualitativeEvaluations,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    ReferencedSegmentationFrame,
    SourceImageForMeasurementGroup,
    SourceImageForSegmentation,
    TrackingIdentifier,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.valuerep import DS

from gadolin._version import __version__
from gadolin.dicom_results import codes as own
from gadolin.dicom_results.encoded import Template, as_read
from gadolin.dicom_results.segmentation import LesionFrame
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult, SliceResult
from gadolin.records import Prediction

__all__ = ["Group", "Subject", "copied_groups", "measurement_group", "subjects_of"]

Group: TypeAlias = MeasurementsAndQualitativeEvaluations | PlanarROIMeasurementsAndQualitativeEvaluations


@dataclass(frozen=True, slots=True)
class Subject:
    """What a group is about: a slice, its name for people, its tracking UID, and its lesion in a segmentation or None.

    ``model`` is the digest of the model.
    """

    slice: SliceResult
    name: str
    uid: str
    lesion: LesionFrame | None
    model: str

    @property
    def kind(self) -> tuple[object, ...]:
        """Everything that is the same in the copies of a group."""
        prediction, source = self.slice.prediction, self.slice.source
        coded = (prediction.label, prediction.reason_code, prediction.sequence)
        references = (str(source.header.SOPClassUID), self.slice.frame is None, self.lesion is None)
        return (*coded, tuple(prediction.probabilities), prediction.p_tumour is None, *references)


def subjects_of(result: SeriesResult, lesions: Mapping[tuple[str, int | None], LesionFrame]) -> Iterator[Subject]:
    """Yield the subject of each group in the order of the slices; ``lesions`` are by image and its frame."""
    for number, one in enumerate(result.slices, start=1):
        image, frame = one.source.instance, one.frame
        series, instance = (one.source.header.get(name) for name in ("SeriesNumber", "InstanceNumber"))
        parts = {"series": series, "instance": instance, "frame": frame}
        known = ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)
        name = f"Slice {number} of {len(result.slices)}" + (f" ({known})" if known else "")
        yield Subject(one, name, result.uid("slice", image, str(frame)), lesions.get((image, frame)), result.model)


def copied_groups(subjects: Iterable[Subject]) -> Iterator[Dataset]:
    """Yield the groups; each is the one that ``measurement_group`` builds."""
    templates: dict[tuple[object, ...], Template] = {}
    for subject in subjects:
        if subject.kind not in templates:
            templates[subject.kind] = Template(measurement_group(subject)[0])
        yield as_read(_filled(templates[subject.kind].copy(), subject))


def measurement_group(subject: Subject) -> Group:
    """Return a group, built and checked by highdicom."""
    prediction, source, frame = subject.slice.prediction, subject.slice.source, subject.slice.frame
    image = (str(source.header.SOPClassUID), source.instance, None if frame is None else [frame])
    tracking = TrackingIdentifier(uid=subject.uid, identifier=subject.name)
    algorithm = AlgorithmIdentification(
        name=MANUFACTURER,
        version=__version__,
        parameters=[f"model={subject.model}"],
        family=codes.cid7162.ArtificialIntelligence,
    )
    measurements = [Measurement(name=name, value=p, unit=codes.UCUM.NoUnits) for name, p in _named_numbers(prediction)]
    evaluations = [QualitativeEvaluation(name=name, value=value) for name, value in _evaluations(prediction)]
    if subject.lesion is None:
        group: Group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            algorithm_id=algorithm,
            measurements=measurements,
            qualitative_evaluations=evaluations,
            source_images=[SourceImageForMeasurementGroup(*image)],
        )
    else:
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            algorithm_id=algorithm,
            measurements=measurements,
            qualitative_evaluations=evaluations,
            referenced_segment=_reference(subject.lesion, SourceImageForSegmentation(*image)),
        )
        _put_region_first(group[0])
    group[0].ContinuityOfContent = "SEPARATE"
    return group


def _reference(lesion: LesionFrame, source: SourceImageForSegmentation) -> ReferencedSegmentationFrame:
    found = ReferencedSegmentationFrame(
        lesion.sop_class, lesion.instance, frame_number=lesion.frame, segment_number=lesion.segment, source_image=source
    )
    del found[0].ReferencedSOPSequence[0].ReferencedSegmentNumber  # not allowed beside a frame (PS3.3, 10.3)
    return found


def _put_region_first(group: Dataset) -> None:
    """Move the references to the lesion before the measurements, as in the template; highdicom appends them."""
    items = list(group.ContentSequence)
    first = next(place for place, item in enumerate(items) if item.ValueType == "NUM")
    group.ContentSequence = [*items[:first], *items[-2:], *items[first:-2]]


def _filled(group: Dataset, subject: Subject) -> Dataset:
    """Put the values of a subject into a group of its kind."""
    items: Sequence[Dataset] = group.ContentSequence
    items[0].TextValue, items[1].UID = subject.name, subject.uid
    numbers = [item for item in items if item.ValueType == "NUM"]
    for item, (_, p) in zip(numbers, _named_numbers(subject.slice.prediction), strict=True):
        (measured,) = item.MeasuredValueSequence
        measured.NumericValue, measured.FloatingPointValue = DS(p, auto_format=True), p
    images = [item.ReferencedSOPSequence[0] for item in items if item.ValueType == "IMAGE"]
    _refer(images[-1], subject.slice.source.instance, subject.slice.frame)
    if subject.lesion is not None:
        _refer(images[0], subject.lesion.instance, subject.lesion.frame)
    return group


def _refer(reference: Dataset, instance: str, frame: int | None) -> None:
    reference.ReferencedSOPInstanceUID = instance
    if frame is not None:
        reference.ReferencedFrameNumber = frame


def _named_numbers(prediction: Prediction) -> list[tuple[CodedConcept, float]]:
    found = [(own.class_probability(label), p) for label, p in prediction.probabilities.items()]
    if prediction.p_tumour is not None:
        found.append((own.P_TUMOUR, prediction.p_tumour))
    return found


def _evaluations(prediction: Prediction) -> list[tuple[CodedConcept, CodedConcept]]:
    found: list[tuple[CodedConcept, CodedConcept]] = [(own.NEOPLASM, own.neoplasm_presence(prediction))]
    if prediction.label is not None:
        found.append((own.PREDICTED_CLASS, own.class_code(prediction.label)))
    if prediction.reason_code is not None:
        found.append((own.DECLINED_BECAUSE, own.reason_code(prediction.reason_code)))
    if prediction.sequence is not None:
        found.append((own.SEQUENCE, own.private(prediction.sequence, prediction.sequence)))
    return found
