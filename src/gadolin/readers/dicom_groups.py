"""What describes a frame: the functional groups of an enhanced object (PS3.3, C.7.6.16), or the header itself."""

from __future__ import annotations

from typing import Final

from pydicom.dataset import Dataset

from gadolin.readers.dicom_values import items, numbers, texts

__all__ = ["fact", "facts_of", "told"]

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


def facts_of(dataset: Dataset, frame: int) -> list[Dataset]:
    """Return the data sets that may describe a frame: its own groups, the shared ones, then the whole file's.

    Private groups and those of other objects that are referred to are none of them.
    """
    own = items(dataset, "PerFrameFunctionalGroupsSequence")[frame : frame + 1]
    shared = items(dataset, "SharedFunctionalGroupsSequence")[:1]
    return [*(inner for group in (*own, *shared) for name in _GROUPS for inner in items(group, name)[:1]), dataset]


def fact(facts: list[Dataset], name: str, count: int) -> list[float] | None:
    """Return the first ``count`` numbers of the first data set that has as many in the element, or None."""
    for each in facts:
        found = numbers(each, name)
        if len(found) >= count:
            return found[:count]
    return None


def told(facts: list[Dataset], name: str) -> list[str]:
    """Return the texts of the first data set that has the element."""
    return next((found for each in facts if (found := texts(each, name))), [])
