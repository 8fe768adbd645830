"""The DICOM objects of results as files: made, found again in a folder, rejected."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pydicom import dcmread
from pydicom.dataset import Dataset

from gadolin.dicom_results.entry import ResultEntry
from gadolin.dicom_results.overlay_image import overlay_images
from gadolin.dicom_results.quiet import quiet
from gadolin.dicom_results.rejection import rejection_note
from gadolin.dicom_results.report import measurement_report
from gadolin.dicom_results.segmentation import segmentations
from gadolin.dicom_results.slices import MANUFACTURER, SeriesResult, SliceResult
from gadolin.errors import DataError, GadolinError, RequestError
from gadolin.records import Failure

__all__ = [
    "KeptResults",
    "MadeResults",
    "ResultObject",
    "images_of",
    "make_results",
    "own_result",
    "reject",
    "result_objects",
    "results_among",
]

_KINDS = {"SR": "report", "SEG": "lesions", "OT": "overlay", "KO": "rejection"}
_ENDING = ".dcm"
_REFERENCES = (  # the elements in which results name the objects that they are about
    "CurrentRequestedProcedureEvidenceSequence",
    "PertinentOtherEvidenceSequence",
    "ReferencedSeriesSequence",
    "SourceImageSequence",
)


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

    def entry(self, *, is_new: bool, path: Path | None = None) -> ResultEntry:
        """Return the entry of the object in lists."""
        dataset = self.dataset
        return ResultEntry(self.kind, str(dataset.SOPInstanceUID), str(dataset.SeriesInstanceUID), is_new, path)


@dataclass(frozen=True, slots=True, eq=False)
class KeptResults:
    """The results of earlier runs, without pixels: ``objects``, and the ``notes`` that reject some."""

    objects: tuple[Dataset, ...]
    notes: tuple[Dataset, ...]

    @classmethod
    def read(cls, *folders: Path) -> KeptResults:
        """Find the results in folders, which need not exist; files of other origin are ignored."""
        paths = (path for folder in folders for path in sorted(folder.glob(f"*{_ENDING}")))
        return cls.of(one for path in paths if (one := own_result(path)) is not None)

    @classmethod
    def of(cls, results: Iterable[Dataset]) -> KeptResults:
        """Return the kept results of data sets that ``own_result`` recognised."""
        found = list(results)
        return cls(
            tuple(one for one in found if one.Modality != "KO"), tuple(one for one in found if one.Modality == "KO")
        )

    @property
    def instances(self) -> set[str]:
        """The SOP Instance UIDs of the objects and notes."""
        return {str(one.get("SOPInstanceUID")) for one in (*self.objects, *self.notes)}

    @property
    def valid(self) -> list[Dataset]:
        """The objects that no note rejects."""
        rejected = {uid for note in self.notes for uid in images_of(note)}
        return [one for one in self.objects if str(one.SOPInstanceUID) not in rejected]

    def renewed(self, result: SeriesResult) -> SeriesResult:
        """Return the result with the notes that rejected the same result before, so that its objects are other ones.

        Raises DataError if a note is damaged.
        """
        with _kept_results():
            while notes := self._notes_on(result.uid("instance", "SR")):
                result = replace(result, after=(*result.after, *notes))
        return result

    def rejection(self, result: SeriesResult) -> list[ResultObject]:
        """Return the note that rejects the valid objects that a new result replaces, in a list, or an empty list.

        These are the objects about one of its images that are of another set. Raises DataError if one is damaged.
        """
        own = {result.uid("series", kind) for kind in ("SR", "SEG", "SC")}
        images = {one.instance for one in result.sources}
        with _kept_results():
            replaced = [one for one in self.valid if str(one.SeriesInstanceUID) not in own and images & images_of(one)]
            return [reject(replaced, "Replaced by later results for the same slices")] if replaced else []

    def _notes_on(self, instance: str) -> list[str]:
        return sorted(str(note.SOPInstanceUID) for note in self.notes if instance in images_of(note))


@contextmanager
def _kept_results() -> Iterator[None]:
    """Raise DataError in place of the exceptions that damaged results of earlier runs cause."""
    try:
        yield
    except GadolinError:
        raise
    except Exception as error:
        raise DataError(
            code="earlier_results_unusable",
            rule="earlier results must be whole",
            got=f"the note that rejects them cannot be made ({type(error).__name__})",
            remedy="use them as the archive holds them, or leave them out",
        ) from error


def result_objects(result: SeriesResult) -> Iterator[ResultObject]:
    """Yield the objects of a result: the report, the predicted lesions, the overlays. Equal results, equal bytes.

    Raises DataError, before the first is yielded, if the report or the lesions cannot be made from the headers.
    """
    try:
        with quiet():
            lesions = segmentations(result)
            first = [_object(one) for one in (measurement_report(result, lesions), *lesions)]
    except Exception as error:
        raise DataError(
            code="header_unusable",
            rule="the headers of the slices must allow DICOM objects of the same study",
            got=f"making them failed ({type(error).__name__})",  # its text may quote the header
            remedy="fetch the series again, or export it with a valid header",
        ) from error
    yield from first
    drawn = overlay_images(result)
    while True:
        with quiet():
            one = next(drawn, None)
            if one is None:
                return
            made = _object(one)
        yield made


class MadeResults(NamedTuple):
    """The result of a series with the UIDs that its objects get, the objects, and the images that allow none."""

    result: SeriesResult
    objects: Iterator[ResultObject]
    failures: list[Failure]


def make_results(answered: SeriesResult, kept: KeptResults) -> MadeResults:
    """Make the objects of a result, and the note that rejects the kept ones which it replaces.

    Images whose headers allow no objects are left out and reported. Raises DataError if no image allows them, or if a
    kept result is damaged.
    """
    result, failures = kept.renewed(answered), list[Failure]()
    objects = result_objects(result)
    try:
        first = next(objects)
    except DataError:
        usable, failures = _without_unusable(answered)
        result = kept.renewed(usable)
        objects = result_objects(result)
        first = next(objects)
    return MadeResults(result, chain([first], objects, kept.rejection(result)), failures)


def _without_unusable(result: SeriesResult) -> tuple[SeriesResult, list[Failure]]:
    """Return a result without the images that allow no objects when each is alone, and these as failures."""
    by_image: dict[str, list[SliceResult]] = defaultdict(list)
    for one in result.slices:
        by_image[one.source.instance].append(one)
    unusable: dict[str, Failure] = {}
    for instance, slices in by_image.items():
        try:
            next(result_objects(replace(result, slices=tuple(slices))))
        except DataError as error:
            unusable[instance] = Failure(slices[0].source.path, error)
    usable = tuple(one for one in result.slices if one.source.instance not in unusable)
    return (replace(result, slices=usable) if usable else result), list(unusable.values())


def reject(rejected: Sequence[Dataset], why: str) -> ResultObject:
    """Return the note that rejects result objects; raises RequestError unless all are of one study."""
    if len({str(one.StudyInstanceUID) for one in rejected}) != 1:
        raise RequestError(
            code="results_of_several",
            rule="a rejection note is for the results of one study",
            got=f"these are of {len({str(one.StudyInstanceUID) for one in rejected})}",
            remedy="reject the results of one study at a time",
        )
    with quiet():
        return _object(rejection_note(rejected, str(rejected[0].get("DeviceSerialNumber", "")), why))


def results_among(paths: Iterable[str]) -> list[Dataset]:
    """Return the results among files, or those in folders that are not rejected yet; raises RequestError for none."""
    found: list[Dataset] = []
    for path in map(Path, paths):
        if path.is_dir():
            found += KeptResults.read(path).valid
        elif (one := own_result(path)) is not None and one.Modality != "KO":
            found.append(one)
    if not found:
        raise RequestError(
            code="no_results_to_reject",
            rule="a rejection needs results that Gadolin wrote and that are not rejected yet",
            got="there are none among these files",
            remedy="give the folder of gadolin results --out",
        )
    return found


def images_of(dataset: Dataset) -> set[str]:
    """Return the SOP Instance UIDs of the objects that a result is about: images, or rejected results."""
    return {uid for name in _REFERENCES for item in dataset.get(name, []) for uid in _instances(item)}


def _instances(dataset: Dataset) -> Iterator[str]:
    for element in dataset:
        if element.keyword == "ReferencedSOPInstanceUID":
            yield str(element.value)
        elif element.VR == "SQ":
            for item in element.value:
                yield from _instances(item)


def _object(dataset: Dataset) -> ResultObject:
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return ResultObject(_KINDS[str(dataset.Modality)], dataset, file.getvalue())


def own_result(file: Path | BinaryIO) -> Dataset | None:
    """Return the data set of a result of Gadolin, without pixels; None for any other file."""
    try:
        with quiet():
            found = dcmread(file, stop_before_pixels=True)
            own = found.get("Manufacturer") == MANUFACTURER and str(found.get("Modality")) in _KINDS
    except Exception:  # noqa: BLE001  # pydicom raises any exception for a file of another kind
        return None
    return found if own else None
