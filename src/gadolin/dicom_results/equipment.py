"""What all result objects say of their origin: the software, the model, and times that do not depend on the clock."""

from __future__ import annotations

from typing import TypeVar

from pydicom.dataset import Dataset
from pydicom.uid import UID

from gadolin._version import __version__
from gadolin.dicom_results.identifiers import derived_uid
from gadolin.dicom_results.source import Moment

__all__ = ["device_uid", "stamp"]

_T = TypeVar("_T", bound=Dataset)
_DATES = ("ContentDate", "DateOfSecondaryCapture", "InstanceCreationDate", "SeriesDate")
_TIMES = ("ContentTime", "InstanceCreationTime", "SeriesTime", "TimeOfSecondaryCapture")


def device_uid(model: str) -> UID:
    """Return the UID of this version of the software with a model, by the digest of that."""
    return derived_uid("device", __version__, model)


def stamp(dataset: _T, moment: Moment) -> _T:
    """Replace all times of creation in ``dataset`` by ``moment``, that of the images, and return it.

    Objects of the same images then have the same bytes, whenever they are made.
    """
    for names, value in ((_DATES, moment.date), (_TIMES, moment.time)):
        for name in names:
            if name in dataset:
                setattr(dataset, name, value)
    if moment.offset:
        dataset.TimezoneOffsetFromUTC = moment.offset
    for item in dataset.get("ContributingEquipmentSequence", []):
        if "ContributionDateTime" in item:
            item.ContributionDateTime = moment.date + moment.time
    return dataset
