"""Whether a header gives the place of its slices completely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from pydicom.dataset import Dataset

from gadolin.dicom_results.source import Source
from gadolin.readers.dicom.values import numbers, whole_number

__all__ = ["has_geometry"]

_SKEW: Final = 0.01  # largest error of the axes, which must be orthogonal unit vectors


def has_geometry(source: Source) -> bool:
    """Return whether a SEG and an image library can refer to an image.

    It needs a frame of reference, and for each slice position, orientation, spacing and thickness; the frames of an
    enhanced image must have the last three in common.
    """
    header = source.header
    if not header.get("FrameOfReferenceUID"):
        return False
    if not source.is_multiframe:
        return _is_plane(header, header) and _is_place(header)
    shared = _group(header.get("SharedFunctionalGroupsSequence"))
    measures, plane = (_group(shared.get(name)) for name in ("PixelMeasuresSequence", "PlaneOrientationSequence"))
    frames = header.get("PerFrameFunctionalGroupsSequence") or []
    if len(frames) != whole_number(header, "NumberOfFrames") or not _is_plane(measures, plane):
        return False
    return all(_is_place(_group(frame.get("PlanePositionSequence"))) for frame in frames)


def _group(sequence: Sequence[Dataset] | None) -> Dataset:
    return sequence[0] if sequence else Dataset()


def _is_plane(measures: Dataset, plane: Dataset) -> bool:
    spacing, axes = numbers(measures, "PixelSpacing"), numbers(plane, "ImageOrientationPatient")
    if len(spacing) != 2 or len(axes) != 6 or min(spacing) <= 0 or not numbers(measures, "SliceThickness"):
        return False
    rows, columns = np.array(axes[:3]), np.array(axes[3:])
    lengths = [float(np.linalg.norm(one)) for one in (rows, columns)]
    return all(abs(one - 1) < _SKEW for one in lengths) and abs(float(rows @ columns)) < _SKEW


def _is_place(item: Dataset) -> bool:
    return len(numbers(item, "ImagePositionPatient")) == 3
