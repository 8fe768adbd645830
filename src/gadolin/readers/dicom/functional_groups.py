"""The attributes of a frame: functional groups of an enhanced object (PS3.3, C.7.6.16), or the header."""

from __future__ import annotations

from typing import Final

from pydicom.dataset import Dataset

from gadolin.readers.dicom.values import items, numbers, texts

__all__ = ["fact", "facts_of", "first_texts"]

_GROUPS: Final = (
    "PixelMeasuresSequence",
    "PlanePositionSequence",
    "PlaneOrientationSequence",
    "PixelValueTransformationSequence",
    "FrameVOILUTSequence",
    "FrameContentSequence",
    "MRImageFrameTypeSequence",
    "MREchoSequence",
    "MRDiffusionSequence",
    "MRModifierSequence",
    "MRTimingAndRelatedParametersSequence",
    "TemporalPositionSequence",
    "CardiacSynchronizationSequence",
    "MRMetaboliteMapSequence",
)


def facts_of(dataset: Dataset, frames: int) -> list[list[Dataset]]:
    """Return for every frame the data sets that may describe it: per-frame groups, shared groups, the whole file.

    Private groups and groups of referenced objects are excluded.
    """
    per_frame = [_groups(one) for one in items(dataset, "PerFrameFunctionalGroupsSequence")[:frames]]
    per_frame += [[]] * (frames - len(per_frame))
    shared = [inner for one in items(dataset, "SharedFunctionalGroupsSequence")[:1] for inner in _groups(one)]
    return [[*groups, *shared, dataset] for groups in per_frame]


def _groups(item: Dataset) -> list[Dataset]:
    return [inner for name in _GROUPS for inner in items(item, name)[:1]]


def fact(facts: list[Dataset], name: str, count: int) -> list[float] | None:
    """Return the first ``count`` numbers of the element from the first data set that has enough, or None."""
    for each in facts:
        found = numbers(each, name)
        if len(found) >= count:
            return found[:count]
    return None


def first_texts(facts: list[Dataset], name: str) -> list[str]:
    """Return the texts of the element from the first data set that has it."""
    return next((found for each in facts if (found := texts(each, name))), [])
