"""The image library of the report (TID 1600): the images, and their geometry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from highdicom.sr import (
    CodedConcept,
    ContainerContentItem,
    ImageContentItem,
    ImageLibraryEntryDescriptors,
)
from highdicom.sr import RelationshipTypeValues as Relation
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.valuerep import DS

from gadolin.dicom_results.encoded import Template, as_read

__all__ = ["image_library"]

_SHARED: Final = (  # what a group has in common, as a whole: all that highdicom describes but the position
    "SOPClassUID",
    "FrameOfReferenceUID",
    "Rows",
    "Columns",
    "PixelSpacing",
    "SliceThickness",
    "SpacingBetweenSlices",
    "ImageOrientationPatient",
)
_SOURCE: Final = CodedConcept("260753009", "SCT", "Source")
_POSITION: Final = (codes.DCM.ImagePositionPatientX, codes.DCM.ImagePositionPatientY, codes.DCM.ImagePositionPatientZ)


def image_library(headers: Iterable[Dataset]) -> Dataset:
    """Return the library of single images with a complete geometry, one or more.

    Images of the same size, spacing and orientation are one group, which describes these once; an image has only its
    position.
    """
    alike: dict[tuple[str, ...], list[Dataset]] = defaultdict(list)
    for header in headers:
        alike[tuple(str(header.get(name)) for name in _SHARED)].append(header)
    library = as_read(_container(codes.DCM.ImageLibrary))
    library.ContentSequence = [as_read(_group(found)) for found in alike.values()]
    return library


def _group(headers: Sequence[Dataset]) -> Dataset:
    descriptors = list(ImageLibraryEntryDescriptors(headers[0]))
    position = [item for item in descriptors if item.name in _POSITION]
    template = Template(_image(headers[0], position))
    group = as_read(_container(codes.DCM.ImageLibraryGroup))
    shared = [as_read(item) for item in descriptors if item not in position]
    group.ContentSequence = [*shared, *(_placed(template, header) for header in headers)]
    return group


def _container(name: Code) -> ContainerContentItem:
    return ContainerContentItem(name=name, is_content_continuous=False, relationship_type=Relation.CONTAINS)


def _image(header: Dataset, position: Sequence[Dataset]) -> ImageContentItem:
    image = ImageContentItem(
        name=_SOURCE,
        referenced_sop_class_uid=header.SOPClassUID,
        referenced_sop_instance_uid=header.SOPInstanceUID,
        relationship_type=Relation.CONTAINS,
    )
    image.ContentSequence = list(position)  # type: ignore[assignment]  # of pydicom's; a list is converted
    return image


def _placed(template: Template, header: Dataset) -> Dataset:
    """Return the entry of an image: a copy of that of another one of its group, with its own UID and position."""
    entry = template.copy()
    entry.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = header.SOPInstanceUID
    for item, value in zip(entry.ContentSequence, header.ImagePositionPatient, strict=True):
        (measured,) = item.MeasuredValueSequence
        measured.NumericValue, measured.FloatingPointValue = DS(value, auto_format=True), float(value)
    return entry
