"""Answer the series of a study in an archive with DICOMweb: retrieve, predict, store the results beside the images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gadolin._version import __version__
from gadolin.dicom_network.dicomweb import OF_ONE_OBJECT, DicomWebArchive, FoundSeries
from gadolin.dicom_results.entry import ResultEntry
from gadolin.dicom_results.identifiers import is_uid
from gadolin.dicom_results.objects import KeptResults, ResultObject, images_of, make_results
from gadolin.dicom_results.series import answer_series, read_series
from gadolin.dicom_results.series_answers import MOST_SLICES, nothing_to_answer, too_many_slices
from gadolin.dicom_results.source import Source
from gadolin.errors import ArchiveError, GadolinError, OutputError, RequestError
from gadolin.models.predictor import Predictor
from gadolin.progress import Progress
from gadolin.readers.series import in_order
from gadolin.records import Failure

__all__ = [
    "OF_THE_ARCHIVE",
    "AnsweredSeries",
    "AnsweredStudy",
    "SeriesAnswerer",
    "name_of",
    "require_uid",
]

_MODALITY: Final = "MR"
_MOST_BYTES: Final = 8 * 2**30  # of the images of one series, on disk
OF_THE_ARCHIVE: Final = (
    "archive_redirects",
    "archive_refused",
    "archive_tls_failed",
    "archive_too_slow",
    "archive_unreachable",
    "token_gone",
)
"""Codes of errors that the next series would meet as well."""


@dataclass(frozen=True, slots=True)
class AnsweredSeries:
    """What was done for a series: the number of slices with a result, and of those that are answered; the objects."""

    series: FoundSeries
    slices: int = 0
    answered: int = 0
    lesions_without_geometry: int = 0
    objects: tuple[ResultEntry, ...] = ()
    failures: tuple[Failure, ...] = ()
    left_out: tuple[Failure, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the counts and the objects as JSON fields; failures are reported for all series together."""
        return {
            "study_instance_uid": self.series.study,
            "series_instance_uid": self.series.series,
            "slices": self.slices,
            "answered": self.answered,
            "lesions_without_segmentation": self.lesions_without_geometry,
            "objects": [one.as_json() for one in self.objects],
        }


@dataclass(frozen=True, slots=True)
class AnsweredStudy:
    """The answered series of a study, and the failures and left-out parts of the whole study."""

    series: tuple[AnsweredSeries, ...]
    failures: tuple[Failure, ...]
    left_out: tuple[Failure, ...]


@dataclass(frozen=True, slots=True)
class SeriesAnswerer:
    """Answers series of an archive; ``overlays`` also stores pictures of the evidence."""

    archive: DicomWebArchive
    predictor: Predictor
    overlays: bool = False

    def answer_study(self, study: str, series: str | None = None, *, progress: Progress | None = None) -> AnsweredStudy:
        """Answer the MR series of a study, or one of them.

        A series that cannot be answered does not stop the others. Raises RequestError if the archive has no such
        series, the first error if no series can be answered, ArchiveError if the archive fails.
        """
        kept = self.kept(study)
        own = {str(one.SeriesInstanceUID) for one in (*kept.objects, *kept.notes)}
        wanted, others = _chosen([one for one in self.archive.series(study) if one.series not in own], series)
        done: list[AnsweredSeries] = []
        failures: list[Failure] = []
        for one in wanted:
            try:
                done.append(self.answer(one, kept, progress=progress))
            except GadolinError as error:
                if error.code in OF_THE_ARCHIVE:
                    raise
                failures.append(Failure(name_of(one), error))
        failures += [each for one in done for each in one.failures]
        left_out = [*(each for one in done for each in one.left_out), *others]
        if not any(one.slices for one in done):
            raise nothing_to_answer([Failure(one.path, one.error.at(one.path)) for one in (*failures, *left_out)])
        return AnsweredStudy(tuple(one for one in done if one.slices), tuple(failures), tuple(left_out))

    def kept(self, study: str) -> KeptResults:
        """Return the results of Gadolin that the archive has in a study."""
        return KeptResults.of(self.archive.results(study))

    def is_answered(self, found: FoundSeries, kept: KeptResults) -> bool:
        """Return whether a valid report by this model and version is about all instances of a series."""
        own = (self.predictor.bundle.digest, __version__)
        reports = [
            images_of(one)
            for one in kept.valid
            if one.Modality == "SR" and (one.get("DeviceSerialNumber"), one.get("SoftwareVersions")) == own
        ]
        if self.overlays or not reports:  # that there are no overlays may mean that there are no lesions
            return False
        instances = self.archive.instances(found.study, found.series, most=MOST_SLICES)
        return any(images.issuperset(one.uid for one in instances) for images in reports)

    def answer(self, found: FoundSeries, kept: KeptResults, *, progress: Progress | None = None) -> AnsweredSeries:
        """Answer a series and store what the archive does not have yet.

        The images are kept in a temporary folder of mode 0700 meanwhile. Raises GadolinError if no slice can be
        answered, or the objects cannot be made or stored.
        """
        with tempfile.TemporaryDirectory(prefix="gadolin-") as folder:
            names, unretrieved = self._retrieve(found, Path(folder), progress)
            try:
                done = self._answer_files(found, kept, [Path(one) for one in names], progress)
            except GadolinError as error:
                raise _with_name(error, names, found) from error
        failures = (*unretrieved, *(_failure_with_name(one, names, found) for one in done.failures))
        left_out = tuple(_failure_with_name(one, names, found) for one in done.left_out)
        return replace(done, failures=failures, left_out=left_out)

    def _retrieve(
        self, found: FoundSeries, folder: Path, progress: Progress | None
    ) -> tuple[dict[str, str], list[Failure]]:
        """Write the instances of a series to files; return the name for people of each path, and the failures."""
        instances = self.archive.instances(found.study, found.series, most=MOST_SLICES + 1)
        if len(instances) > MOST_SLICES:
            raise too_many_slices()
        names: dict[str, str] = {}
        failures: list[Failure] = []
        size = 0
        for number, one in enumerate(instances):
            if progress is not None:
                progress(number, len(instances), "retrieving")
            path, name = folder / f"{number:04}.dcm", f"{name_of(found)}, image {one.number or number + 1}"
            try:
                self.archive.retrieve(found.study, found.series, one.uid, path)
            except ArchiveError as error:
                if error.code not in OF_ONE_OBJECT:
                    raise
                path.unlink(missing_ok=True)
                failures.append(Failure(name, error))
                continue
            except OSError as error:
                raise _unwritable(error) from error
            names[str(path)] = name
            size += path.stat().st_size
            if size > _MOST_BYTES:
                raise _too_large()
        if failures and not names:
            raise failures[0].error.at(failures[0].path)
        return names, failures

    def _answer_files(
        self, found: FoundSeries, kept: KeptResults, files: list[Path], progress: Progress | None
    ) -> AnsweredSeries:
        ordered = in_order(files)
        if not ordered.files and ordered.left_out:
            return AnsweredSeries(found, left_out=tuple(ordered.left_out))
        sources, unread = read_series([one if isinstance(one, Failure) else str(one) for one in ordered.files])
        _require_requested(sources, found)
        answered, unanswered = answer_series(self.predictor, sources, overlays=self.overlays, progress=progress)
        made = make_results(answered, kept)
        sent = self._send(made.objects, kept.instances)
        return AnsweredSeries(
            found,
            len(made.result.slices),
            made.result.answered,
            made.result.lesions_without_geometry,
            tuple(sent),
            (*unread, *unanswered, *made.failures),
            tuple(ordered.left_out),
        )

    def _send(self, objects: Iterable[ResultObject], known: set[str]) -> list[ResultEntry]:
        """Store the objects that the archive does not have; return all of them."""
        sent: list[ResultEntry] = []

        def new() -> Iterator[bytes]:
            for one in objects:
                entry = one.entry(is_new=str(one.dataset.SOPInstanceUID) not in known)
                sent.append(entry)
                if entry.is_new:
                    yield one.content

        self.archive.store(new())
        return sent


def name_of(found: FoundSeries) -> str:
    """Return the name of a series for people, without a UID."""
    return f"series {found.number or 'without a number'}"


def require_uid(uid: str | None) -> None:
    """Raise RequestError for a UID that is none; None passes."""
    if uid is not None and not is_uid(uid):
        raise RequestError(
            code="uid_invalid",
            rule="a UID must consist of numbers and dots, of at most 64 characters",
            got=f"got {uid!r}",
            remedy="copy it from the archive",
        )


def _chosen(found: list[FoundSeries], series: str | None) -> tuple[list[FoundSeries], list[Failure]]:
    """Return the series to answer in the order of their numbers, and those of other modalities."""
    _require_any(found, "study")
    if series is not None:
        found = [one for one in found if one.series == series]
        _require_any(found, "series")
    wanted = [one for one in found if one.modality == _MODALITY]
    others = [Failure(name_of(one), _other_modality(one)) for one in found if one.modality != _MODALITY]
    if not wanted:
        raise others[0].error.at(others[0].path)
    return sorted(wanted, key=lambda one: (not one.number.isdecimal(), one.number.zfill(12), one.series)), others


def _require_requested(sources: list[Source], found: FoundSeries) -> None:
    """Raise ArchiveError unless images are of the series that was requested: results go where the images say."""
    if any((one.study, one.series) != (found.study, found.series) for one in sources):
        raise ArchiveError(
            code="other_series_retrieved",
            rule="an archive must send the images that were requested",
            got="it sent one of another study or series",
            remedy="check the archive",
        )


def _failure_with_name(failure: Failure, names: dict[str, str], found: FoundSeries) -> Failure:
    name = names.get(failure.path, name_of(found))
    return Failure(name, _with_name(failure.error, names, found), failure.frame)


def _with_name(error: GadolinError, names: dict[str, str], found: FoundSeries) -> GadolinError:
    """Return an error with the name of an image or of the series in place of a temporary path."""
    if error.path is None:
        return error
    renamed = copy(error)
    renamed.path = names.get(error.path, name_of(found))
    return renamed


def _require_any(found: list[FoundSeries], what: str) -> None:
    if not found:
        raise RequestError(
            code="not_in_archive",
            rule=f"the {what} must be in the archive",
            got="it has none with this UID",
            remedy="check the UID",
        )


def _other_modality(found: FoundSeries) -> RequestError:
    return RequestError(
        code="other_modality",
        rule="only MR series are answered",
        got=f"this one is {found.modality or 'of an unknown modality'}",
        remedy="give the UID of an MR series",
    )


def _unwritable(error: OSError) -> OutputError:
    return OutputError(
        code="unwritable",
        rule=f"cannot write retrieved images to a temporary folder: {error.strerror or type(error).__name__}",
        remedy="free space, or set TMPDIR to another folder",
    )


def _too_large() -> RequestError:
    return RequestError(
        code="series_too_large",
        rule=f"the images of one series may hold at most {_MOST_BYTES:,} bytes",
        got="these hold more",
        remedy="export a part of the series, and use gadolin results",
    )
