"""An archive with DICOMweb: search (QIDO-RS), retrieval (WADO-RS) and storage (STOW-RS).

Files are transferred as they are: the client of dicomweb-client would decode and encode them.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final

import requests
from dicomweb_client import DICOMwebClient
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial

from gadolin.dicom_network.web_session import (
    Access,
    archive_address,
    archive_errors,
    invalid_answer,
    open_session,
    pieces,
)
from gadolin.dicom_results.multipart import RELATED, Parts, boundary_of, first_part
from gadolin.dicom_results.quiet import quiet
from gadolin.dicom_results.slices import MANUFACTURER
from gadolin.errors import ArchiveError
from gadolin.readers import MAX_BYTES

__all__ = ["OF_ONE_OBJECT", "Access", "DicomWebArchive", "FoundInstance", "FoundSeries"]

OF_ONE_OBJECT: Final = ("archive_answer_invalid", "archive_answer_too_large", "archive_lacks_object")
"""Codes of errors that concern what is requested, not the archive."""

_PICTURES: Final = "OT"  # modality of our overlays; those of our other objects:
_DOCUMENTS: Final = ("SR", "SEG", "KO")
_CONTENT: Final = 0x0040A730  # the tag of the content items; what results are about precedes it
_JSON: Final = "application/dicom+json"
_FILE: Final = f"{RELATED}; transfer-syntax=*"
_UID: Final = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)*")
_PAGE: Final = 100  # results of one request to search; archives allow as many
_BATCH: Final = 32 * 2**20  # bytes of one request to store
_DUPLICATE: Final = (0x0111, 0xB00E)  # failure reasons of an object that is there: PS3.7 C.4.2.1.4; of Azure


@dataclass(frozen=True, slots=True)
class FoundSeries:
    """A series of an archive: its UIDs, modality, number as text, and number of instances (None if not stated)."""

    study: str
    series: str
    modality: str
    number: str
    instances: int | None


@dataclass(frozen=True, slots=True)
class FoundInstance:
    """An instance of an archive: its UID, its number as text, and its manufacturer (None if not stated)."""

    uid: str
    number: str
    manufacturer: str | None


class DicomWebArchive:
    """The DICOMweb services at an address.

    All methods raise ArchiveError if the archive cannot be reached, refuses, or gives an answer that is not valid.
    """

    def __init__(self, url: str, access: Access | None = None) -> None:
        """Raise RequestError for an address or an access that cannot be used; nothing is sent yet."""
        access = access or Access()
        self._url = archive_address(url, access)
        self._timeout = access.timeout
        self._session = open_session(access)
        self._client = DICOMwebClient(self._url, session=self._session, permissive_uid=True, timeout=access.timeout)
        self._client.set_http_retry_params(retry=False)

    def series(
        self, study: str | None = None, *, modality: str | None = None, since: date | None = None
    ) -> list[FoundSeries]:
        """Return the series of a study, or of all studies since a date."""
        filters = {"Modality": modality, "StudyDate": f"{since:%Y%m%d}-" if since else None}
        wanted = {name: value for name, value in filters.items() if value is not None}

        def search(offset: int) -> list[dict[str, dict[str, Any]]]:
            return self._client.search_for_series(
                study_instance_uid=study if study is None else _checked_uid(study),
                limit=_PAGE,
                offset=offset,
                search_filters=wanted,
            )

        found = {}
        for one in _all(search, "0020000E"):
            series = FoundSeries(
                study or _text(one, "0020000D"),
                _text(one, "0020000E"),
                _text(one, "00080060"),
                _text(one, "00200011"),
                _number(one, "00201209"),
            )
            if series.modality == modality or modality is None:  # an archive may ignore what it does not index
                found[series.study, series.series] = series
        return list(found.values())

    def instances(
        self, study: str, series: str, *, most: int | None = None, with_manufacturer: bool = False
    ) -> list[FoundInstance]:
        """Return the instances of a series; ``most`` ends the search after so many or more.

        The manufacturer costs some archives much time.
        """

        def search(offset: int) -> list[dict[str, dict[str, Any]]]:
            return self._client.search_for_instances(
                study_instance_uid=_checked_uid(study),
                series_instance_uid=_checked_uid(series),
                limit=_PAGE,
                offset=offset,
                fields=["Manufacturer"] if with_manufacturer else None,
            )

        return [
            FoundInstance(_text(one, "00080018"), _text(one, "00200013"), _text(one, "00080070") or None)
            for one in _all(search, "00080018", most=most)
        ]

    def retrieve(self, study: str, series: str, instance: str, path: Path) -> None:
        """Write an instance to ``path`` as the archive keeps it, at most ``MAX_BYTES``."""
        uids = [_checked_uid(one) for one in (study, series, instance)]
        address = "{}/studies/{}/series/{}/instances/{}".format(self._url, *uids)
        with (
            archive_errors(),
            self._session.get(address, headers={"Accept": _FILE}, stream=True, timeout=self._timeout) as answer,
            path.open("wb") as file,
        ):
            for piece in _content(answer):
                file.write(piece)

    def results(self, study: str) -> list[Dataset]:
        """Return the headers of the results of Gadolin in a study, without content items, frames and pixels."""
        found: list[Dataset] = []
        with tempfile.TemporaryDirectory(prefix="gadolin-") as folder:
            for one in self.series(study):
                if one.modality in (_PICTURES, *_DOCUMENTS):
                    found += self._results_in(one, Path(folder))
        return [one for one in found if one.get("Modality") in (_PICTURES, *_DOCUMENTS)]

    def store(self, contents: Iterable[bytes]) -> None:
        """Store DICOM files, some at a time; one that the archive has already counts as stored.

        Raises ArchiveError also if the archive stores only some of them.
        """
        for batch in _batches(contents):
            parts = Parts(batch)
            headers = {"Content-Type": parts.content_type, "Accept": _JSON}
            with archive_errors():
                answer = self._session.post(f"{self._url}/studies", data=parts, headers=headers, timeout=self._timeout)
                _require_stored(answer, len(batch))

    def _results_in(self, found: FoundSeries, folder: Path) -> list[Dataset]:
        """Return the headers of a series of Gadolin, else nothing.

        An archive need not state the manufacturer. What it cannot send then counts as of another one.
        """
        instances = self.instances(found.study, found.series, with_manufacturer=True)
        maker = instances[0].manufacturer if instances else ""
        if maker not in (None, MANUFACTURER):
            return []
        try:
            if found.modality == _PICTURES:
                return self._pictures(found)
            return self._documents(found, instances, folder)
        except ArchiveError as error:
            if maker is None and error.code in OF_ONE_OBJECT:
                return []
            raise

    def _documents(self, found: FoundSeries, instances: Iterable[FoundInstance], folder: Path) -> list[Dataset]:
        """Return the headers of a series up to the first of another manufacturer.

        They are retrieved as files: the metadata of a long report are ten times larger.
        """
        headers: list[Dataset] = []
        for one in instances:
            self.retrieve(found.study, found.series, one.uid, folder / "result.dcm")
            header = _header(folder / "result.dcm")
            if header.get("Manufacturer") != MANUFACTURER:
                break
            headers.append(header)
        return headers

    def _pictures(self, found: FoundSeries) -> list[Dataset]:
        """Return the headers of a series; its files would be large."""
        with archive_errors(), quiet():
            metadata = self._client.retrieve_series_metadata(_checked_uid(found.study), _checked_uid(found.series))
            return [Dataset.from_json(one) for one in metadata if _text(one, "00080070") == MANUFACTURER]


def _all(
    search: Callable[[int], list[dict[str, dict[str, Any]]]], key: str, *, most: int | None = None
) -> Iterator[Mapping[str, Any]]:
    """Yield what a search finds, page by page, until one is not full or has nothing new.

    An archive may ignore the limit or the offset.
    """
    seen: set[str] = set()
    while most is None or len(seen) < most:
        with archive_errors():
            page = search(len(seen))
            new = {uid: one for one in page if (uid := _required(one, key)) not in seen}
        seen.update(new)
        yield from new.values()
        if not new or len(page) < _PAGE:
            return


def _content(answer: requests.Response) -> Iterator[bytes]:
    """Yield the DICOM file in an answer, which some archives send without the multipart message."""
    kind = answer.headers.get("Content-Type", "")
    body = pieces(answer, MAX_BYTES)
    return body if kind.startswith("application/dicom") else first_part(body, boundary_of(kind))


def _require_stored(answer: requests.Response, count: int) -> None:
    """Raise ArchiveError unless an answer states that all of ``count`` objects are stored."""
    found = answer.json()
    found = found[0] if isinstance(found, list) and len(found) == 1 else found
    stored = len(_items(found, "00081199"))
    reasons = [_number(one, "00081197") for one in _items(found, "00081198")]
    refused = [one for one in reasons if one not in _DUPLICATE]
    if refused or stored + len(reasons) < count:
        why = ", ".join(sorted({"not stated" if one is None else f"{one:#06x}" for one in refused})) or "not stated"
        raise ArchiveError(
            code="archive_stored_partly",
            rule="the archive must store all objects",
            got=f"it stored {stored + len(reasons) - len(refused)} of {count} (failure reason: {why})",
            remedy="see the log of the archive for the reason, and run this again",
        )


def _batches(contents: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for one in contents:
        size += len(one)
        if batch and size > _BATCH:
            yield batch
            batch, size = [], len(one)
        batch.append(one)
    if batch:
        yield batch


def _header(path: Path) -> Dataset:
    """Return what precedes the content items in a DICOM file; an empty header for a file that cannot be read."""
    try:
        with path.open("rb") as file, quiet():
            return read_partial(file, stop_when=lambda tag, _vr, _length: tag >= _CONTENT)
    except Exception:  # noqa: BLE001  # pydicom raises any exception
        return Dataset()


def _checked_uid(uid: str) -> str:
    """Return a UID that may be part of an address; raises ArchiveError for another."""
    if not _UID.fullmatch(uid):
        what = "a UID that is none"
        raise invalid_answer(what)
    return uid


def _items(header: Mapping[str, Any], tag: str) -> list[Mapping[str, Any]]:
    return list(header.get(tag, {}).get("Value", []))


def _text(header: Mapping[str, Any], tag: str) -> str:
    """Return the first value of an element as text, or an empty string."""
    values = header.get(tag, {}).get("Value") or [""]
    return "" if values[0] is None else str(values[0]).strip()


def _required(header: Mapping[str, Any], tag: str) -> str:
    """Return the first value of an element as text; raises ValueError if there is none."""
    text = _text(header, tag)
    if not text:
        what = "a result without a UID"
        raise ValueError(what)
    return text


def _number(header: Mapping[str, Any], tag: str) -> int | None:
    text = _text(header, tag)
    return int(text) if text.isdecimal() else None
