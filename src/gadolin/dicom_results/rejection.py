"""The note that takes results back: a Key Object Selection with the title "Rejected for Quality Reasons"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from highdicom.ko import KeyObjectSelection, KeyObjectSelectionDocument
from highdicom.sr import CodeContentItem, RelationshipTypeValues
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from gadolin._version import __version__
from gadolin.dicom_results.equipment import stamp
from gadolin.dicom_results.identifiers import derived_uid
from gadolin.dicom_results.report import device_observer
from gadolin.dicom_results.slices import MANUFACTURER
from gadolin.dicom_results.source import Source, moment_of

__all__ = ["REJECTED", "rejection_note"]

REJECTED: Final = codes.cid7010.RejectedForQualityReasons
_SERIES_NUMBER: Final = 9504


def rejection_note(rejected: Sequence[Dataset], model: str, why: str) -> KeyObjectSelectionDocument:
    """Return the note (IHE IOCM) that rejects result objects of one study; ``why`` is read by people."""
    rejected = sorted(rejected, key=lambda one: str(one.SOPInstanceUID))
    content = KeyObjectSelection(
        document_title=REJECTED,
        referenced_objects=rejected,
        observer_device_context=device_observer(model),
        description=why,
    )
    modifier = CodeContentItem(
        name=codes.DCM.DocumentTitleModifier,
        value=codes.cid7011.OtherFailure,
        relationship_type=RelationshipTypeValues.HAS_CONCEPT_MOD,
    )
    content[0].ContentSequence.insert(0, modifier)
    parts = (*(str(one.SOPInstanceUID) for one in rejected), why, model, __version__)
    note = KeyObjectSelectionDocument(
        evidence=rejected,
        content=content,
        series_instance_uid=derived_uid("series", "KO", *parts),
        series_number=_SERIES_NUMBER,
        sop_instance_uid=derived_uid("instance", "KO", *parts),
        instance_number=1,
        manufacturer=MANUFACTURER,
        manufacturer_model_name=MANUFACTURER,
        software_versions=__version__,
        device_serial_number=model,
        series_description="Gadolin rejection note",
    )
    return stamp(note, moment_of([Source("", one) for one in rejected]))
