"""The DICOM objects of results as files: made, found again in a folder, rejected."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from gadolin.dicom_results.overlay_image import overlay_images
from gadolin.dicom_results.rejection import rejection_note
from gadolin.dicom_results.report import measurement_report
from gadolin.dicom_results.segmentation import segmentations
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult
from gadolin.errors import RequestError

__all__ = [
    "ResultObject",
    "earlier_results",
    "referenced_instances",
    "reject",
    "rejections",
    "result_objects",
    "results_among",
    "superseded",
]

_KINDS = {"SR": "report", "SEG": "lesions", "OT": "overlay", "KO": "rejection"}
_ENDING = ".dcm"


@dataclass(frozen=True, slots=True, eq=False)
class ResultObject:
    """A DICOM object of the results: its kind ("report", "lesions", "overlay" or "rejection"), data set and bytes."""

    kind: str
    dataset: Dataset
    content: bytes

    @property
    def name(self) -> str:
        """The file name, which the same results give again."""
        return f"{self.kind}-{self.dataset.SOPInstanceUID}{_ENDING}"


def result_objects(result: SeriesResult) -> list[ResultObject]:
    """Return the objects of a result: the report, the predicted lesions, the overlays. Equal results, equal bytes."""
    return [_object(one) for one in (measurement_report(result), *segmentations(result), *overlay_images(result))]


def reject(rejected: Sequence[Dataset], why: str) -> ResultObject:
    """Return the note that rejects result objects; raises RequestError unless all are Gadolin's and of one study."""
    if len({str(one.StudyInstanceUID) for one in rejected}) != 1:
        raise RequestError(
            code="results_of_several",
            rule="a rejection note is for the results of one study",
            got=f"these are of {len({str(one.StudyInstanceUID) for one in rejected})}",
            remedy="reject the results of one study at a time",
        )
    return _object(rejection_note(rejected, str(rejected[0].get("DeviceSerialNumber", "")), why))


def earlier_results(folder: Path) -> list[Dataset]:
    """Return the results in a folder that no rejection note there takes back, without pixels, sorted by name."""
    found = [one for one in (_own_result(path) for path in sorted(folder.glob(f"*{_ENDING}"))) if one is not None]
    rejected = {uid for note in found if note.Modality == "KO" for uid in referenced_instances(note)}
    return [one for one in found if one.Modality != "KO" and str(one.SOPInstanceUID) not in rejected]


def results_among(paths: Iterable[str]) -> list[Dataset]:
    """Return the results among files, or those in folders that are not rejected yet; raises RequestError for none."""
    found: list[Dataset] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += earlier_results(path)
        elif (one := _own_result(path)) is not None and one.Modality != "KO":
            found.append(one)
    if not found:
        raise RequestError(
            code="no_results_to_reject",
            rule="a rejection needs results that Gadolin wrote and that are not rejected yet",
            got="there are none among these files",
            remedy="give the folder of gadolin results --out",
        )
    return found


def rejections(folder: Path, objects: Sequence[ResultObject]) -> list[ResultObject]:
    """Return the note that rejects the earlier results in ``folder`` that ``objects`` replace, in a list, or none."""
    replaced = superseded(earlier_results(folder), objects)
    return [reject(replaced, "Replaced by later results for the same slices")] if replaced else []


def superseded(earlier: Iterable[Dataset], objects: Sequence[ResultObject]) -> list[Dataset]:
    """Return the earlier results that are about an image of ``objects`` and are not among them."""
    new = {str(one.dataset.SOPInstanceUID) for one in objects}
    images = {uid for one in objects for uid in referenced_instances(one.dataset)}
    return [one for one in earlier if str(one.SOPInstanceUID) not in new and images & referenced_instances(one)]


def referenced_instances(dataset: Dataset) -> set[str]:
    """Return the SOP Instance UIDs of all objects that a data set refers to."""
    found: set[str] = set()
    for element in dataset:
        if element.keyword == "ReferencedSOPInstanceUID":
            found.add(str(element.value))
        elif element.VR == "SQ":
            for item in element.value:
                found |= referenced_instances(item)
    return found


def _object(dataset: Dataset) -> ResultObject:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return ResultObject(_KINDS[str(dataset.Modality)], dataset, file.getvalue())


def _own_result(path: Path) -> Dataset | None:
    try:
        found = dcmread(path, stop_before_pixels=True)
    except (InvalidDicomError, OSError):
        return None
    own = found.get("Manufacturer") == MANUFACTURER and str(found.get("Modality")) in _KINDS
    return found if own else None
