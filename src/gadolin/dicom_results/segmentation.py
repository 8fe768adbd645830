"""The predicted lesions as DICOM SEG, with one segment for each class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from gadolin._version import __version__
from gadolin.datasets.labels import class_name, is_known
from gadolin.dicom_results.equipment import stamp
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult, SliceResult

__all__ = ["LesionFrame", "lesion_frames", "segmentations"]

_SERIES_NUMBER: Final = 9502
_DESCRIPTION: Final = "Gadolin predicted lesions (research only)"
_NAME: Final = 64  # characters of a label (VR LO)
_DECIMALS: Final = 3  # of a geometry; scanners round differently


class LesionFrame(NamedTuple):
    """Where a predicted lesion is: the class and UID of the segmentation, its frame and its segment, from 1."""

    sop_class: str
    instance: str
    frame: int
    segment: int


def segmentations(result: SeriesResult) -> list[Segmentation]:
    """Return the outlines of a series as SEG objects; none if no slice has an outline that is not empty.

    Slices of another size, spacing or plane, and further slices at the same place, such as those of a second echo, go
    to further objects. Slices without geometry are left out: see ``geometry.has_geometry``.
    """
    groups: dict[tuple[object, ...], list[SliceResult]] = defaultdict(list)
    places: Counter[tuple[object, ...]] = Counter()
    for one in result.slices:
        if one.source.instance in result.placed:
            kind = _kind(one)
            at = (*kind, one.frame, *_numbers(one.source.header.get("ImagePositionPatient", [])))
            groups[*kind, places[at]].append(one)  # viewers expect one slice at each place of a SEG
            places[at] += 1
    outlined = [found for found in groups.values() if any(one.is_outlined for one in found)]
    return [_segmentation(result, found, number) for number, found in enumerate(outlined, start=1)]


def lesion_frames(found: Iterable[Dataset]) -> dict[tuple[str, int | None], LesionFrame]:
    """Return the frame of each lesion in segmentations, by the UID of its image and the frame in that, or None."""
    frames = {}
    for one in found:
        (shared,) = one.SharedFunctionalGroupsSequence  # holds what all frames have in common
        for number, own in enumerate(one.PerFrameFunctionalGroupsSequence, start=1):
            identified = own if "SegmentIdentificationSequence" in own else shared
            segment = identified.SegmentIdentificationSequence[0].ReferencedSegmentNumber
            (image,) = own.DerivationImageSequence[0].SourceImageSequence
            frame = image.get("ReferencedFrameNumber")
            at = (str(image.ReferencedSOPInstanceUID), None if frame is None else int(frame))
            frames[at] = LesionFrame(str(one.SOPClassUID), str(one.SOPInstanceUID), number, int(segment))
    return frames


def _kind(one: SliceResult) -> tuple[object, ...]:
    """Return what the slices of one SEG share: the file of a multi-frame image, else size, spacing and plane."""
    header = one.source.header
    if one.source.is_multiframe:
        return (one.source.instance,)
    plane = _numbers(header.ImageOrientationPatient)
    return header.FrameOfReferenceUID, header.Rows, header.Columns, _numbers(header.PixelSpacing), plane


def _numbers(values: Iterable[object]) -> tuple[float, ...]:
    return tuple(round(float(str(one)), _DECIMALS) for one in values)


def _segmentation(result: SeriesResult, slices: Sequence[SliceResult], number: int) -> Segmentation:
    multiframe = slices[0].source.is_multiframe
    shown = list(slices) if multiframe else [one for one in slices if one.is_outlined]
    labels = sorted({str(one.prediction.label) for one in shown if one.is_outlined})
    found = Segmentation(
        source_images=[shown[0].source.header] if multiframe else [one.source.header for one in shown],
        pixel_array=_masks(shown, labels),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[_segment(result, label, place) for place, label in enumerate(labels, start=1)],
        series_instance_uid=result.uid("series", "SEG"),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=result.uid("instance", "SEG", str(number)),
        instance_number=number,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number=result.model,
        content_label="LESIONS",
        content_description="Predicted lesions; for research only, not for diagnosis",
        series_description=_DESCRIPTION,
    )
    _fix_uids(found, result.uid("dimensions", "SEG", str(number)))
    return stamp(found, result.moment)


def _masks(slices: Sequence[SliceResult], labels: Sequence[str]) -> NDArray[np.uint8]:
    """Return the numbers of the segments (N, H, W) uint8, 0 outside, of N slices or of all frames of their file.

    A frame without a prediction has none.
    """
    header, multiframe = slices[0].source.header, slices[0].source.is_multiframe
    count = int(header.NumberOfFrames) if multiframe else len(slices)
    masks = np.zeros((count, header.Rows, header.Columns), np.uint8)
    for place, one in enumerate(slices):
        if one.is_outlined:
            mask = masks[(one.frame or 1) - 1 if multiframe else place]
            mask[one.outline] = 1 + labels.index(str(one.prediction.label))
    return masks


def _segment(result: SeriesResult, label: str, number: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=f"Evidence for {class_name(label)}"[:_NAME],
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm if is_known(label) else codes.SCT.Lesion,
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=AlgorithmIdentificationSequence(
            name=MANUFACTURER,
            family=codes.cid7162.ArtificialIntelligence,
            version=__version__,
            source=MANUFACTURER,
            parameters={"model": result.model},
        ),
        tracking_uid=result.uid("segment", label),
        tracking_id=f"Evidence for {class_name(label)}"[:_NAME],
    )


def _fix_uids(dataset: Dataset, uid: str) -> None:
    """Replace the random UID of the dimensions."""
    for item in (*dataset.DimensionOrganizationSequence, *dataset.DimensionIndexSequence):
        item.DimensionOrganizationUID = uid
