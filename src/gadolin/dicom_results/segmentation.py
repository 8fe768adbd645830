"""The predicted lesions as DICOM SEG, with one segment for each class."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from highdicom import AlgorithmIdentificationSequence
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from gadolin._version import __version__
from gadolin.datasets.labels import class_name
from gadolin.dicom_results.equipment import stamp
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult, SliceResult

__all__ = ["segmentations"]

_SERIES_NUMBER: Final = 9502
_DESCRIPTION: Final = "Gadolin predicted lesions (research only)"
_NAME: Final = 64  # characters of a label (VR LO)
_DECIMALS: Final = 3  # of a geometry; scanners round differently


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
    masks = _multiframe_masks(shown, labels) if multiframe else np.stack([_mask(one, labels) for one in shown])
    found = Segmentation(
        source_images=[shown[0].source.header] if multiframe else [one.source.header for one in shown],
        pixel_array=masks,
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


def _mask(one: SliceResult, labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return the outline of a slice as (H, W, segments) bool."""
    header = one.source.header
    mask = np.zeros((header.Rows, header.Columns, len(labels)), np.bool_)
    if one.is_outlined:
        mask[..., labels.index(str(one.prediction.label))] = one.outline
    return mask


def _multiframe_masks(slices: Sequence[SliceResult], labels: Sequence[str]) -> NDArray[np.bool_]:
    """Return the outlines of all frames of a file, in stored order; a frame without a prediction has none."""
    header = slices[0].source.header
    masks = np.zeros((int(header.NumberOfFrames), header.Rows, header.Columns, len(labels)), np.bool_)
    for one in slices:
        masks[(one.frame or 1) - 1] = _mask(one, labels)
    return masks


def _segment(result: SeriesResult, label: str, number: int) -> SegmentDescription:
    return SegmentDescription(
        segment_number=number,
        segment_label=f"Evidence for {class_name(label)}"[:_NAME],
        segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
        segmented_property_type=codes.SCT.Neoplasm,
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
