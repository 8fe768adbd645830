"""The images that results are about: what results copy from their headers, checked and without pixels."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from pydicom.config import RAISE
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_data_element, write_dataset
from pydicom.multival import MultiValue
from pydicom.valuerep import DSfloat, validate_value

from gadolin.dicom_results.identifiers import is_uid
from gadolin.dicom_results.identity import Identity, require_one
from gadolin.dicom_results.quiet import quiet
from gadolin.errors import ReadError
from gadolin.readers import content_of, naming
from gadolin.readers.dicom.header import PIXELS
from gadolin.readers.dicom.parser import parse
from gadolin.readers.dicom.reader import as_damaged
from gadolin.readers.dicom.values import tag_of, whole_number
from gadolin.readers.file_types import HEAD, file_kind

__all__ = [
    "Moment",
    "Source",
    "moment_of",
    "read_source",
    "require_one_series",
    "source_from_bytes",
    "source_of",
]

_IDENTITY: Final = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "SOPClassUID")
_MAY_BE_EMPTY: Final = (
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "StudyID",
    "StudyDate",
    "StudyTime",
    "ReferringPhysicianName",
)
_TIMES: Final = ("Acquisition", "Content", "Series", "Study")
_GROUPS: Final = (*range(0x0008, 0x0029, 2), 0x0032, 0x0038, 0x0040)  # of patient, visit, study, series and image
_FRAMES: Final = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "DimensionOrganizationSequence")
_CHECKED: Final = ("AS", "DA", "DS", "DT", "IS", "TM", "UI")  # value representations with a form
_SEXES: Final = ("M", "F", "O")  # of PatientSex


class Moment(NamedTuple):
    """Date (YYYYMMDD), time (HHMMSS) and offset from UTC (such as "+0100", or empty)."""

    date: str = "19000101"
    time: str = "000000"
    offset: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A DICOM image by its header: ``header`` has no pixels and only elements that can be written again."""

    path: str
    header: Dataset

    @property
    def study(self) -> str:
        """The Study Instance UID."""
        return str(self.header.StudyInstanceUID)

    @property
    def series(self) -> str:
        """The Series Instance UID."""
        return str(self.header.SeriesInstanceUID)

    @property
    def instance(self) -> str:
        """The SOP Instance UID."""
        return str(self.header.SOPInstanceUID)

    @property
    def identity(self) -> Identity:
        """What the image belongs to, and its own UID."""
        return Identity(self.study, self.series, str(self.header.PatientID), self.instance)

    @property
    def is_multiframe(self) -> bool:
        """Whether the file holds frames that are referred to by number."""
        return "NumberOfFrames" in self.header

    @property
    def patient(self) -> str:
        """The patient attributes of the header as text."""
        return self.header.group_dataset(0x0010).to_json(suppress_invalid_tags=True)

    def as_bytes(self) -> bytes:
        """Return the header as a data set in explicit little endian, from which ``source_from_bytes`` restores it."""
        file = _little_explicit()
        with quiet():
            write_dataset(file, self.header)
        return file.getvalue()


def read_source(path: Path | str) -> Source:
    """Return the header of a DICOM image; raises ReadError if the file cannot be read or lacks an identifier."""
    with naming(path):
        return source_of(content_of(path), str(path))


def source_of(content: bytes, name: str) -> Source:
    """Return the header of the image in the bytes of a DICOM file, as ``read_source`` does.

    ``name`` is its path, also in results; raises ReadError without a path.
    """
    if file_kind(content[:HEAD]) != "DICOM":
        raise ReadError(
            code="not_dicom",
            rule="a slice with results must be a DICOM file",
            got="this one is not",
            remedy="use gadolin predict",
        )
    with quiet(), as_damaged():
        return Source(name, _whole(parse(content)))


def source_from_bytes(content: bytes, name: str) -> Source:
    """Return the image whose header ``as_bytes`` wrote; raises any exception of pydicom for other content."""
    return Source(name, read_dataset(io.BytesIO(content), is_implicit_VR=False, is_little_endian=True))


def require_one_series(sources: Sequence[Source]) -> None:
    """Raise RequestError unless all images are of one study, one series and one patient."""
    require_one(one.identity for one in sources)


def moment_of(sources: Iterable[Source]) -> Moment:
    """Return date and time of the latest acquisition, or of content, series or study; 19000101 if none is known."""
    return max((_moment(one.header) for one in sources), default=Moment())


def _moment(header: Dataset) -> Moment:
    for name in _TIMES:
        day, time = (str(header.get(f"{name}{part}") or "") for part in ("Date", "Time"))
        if len(day) == 8 and day.isdecimal():
            whole = time.partition(".")[0]
            offset = str(header.get("TimezoneOffsetFromUTC") or "")
            return Moment(day, whole if len(whole) == 6 and whole.isdecimal() else "000000", offset)
    return Moment()


def _whole(dataset: Dataset) -> Dataset:
    """Return the elements that results need, with text in UTF-8.

    Broken ones are left out, and missing ones that may be empty are empty.
    """
    header = Dataset()
    header.file_meta = dataset.file_meta
    pixels = {tag_of(name) for name in PIXELS}
    wanted = {tag_of(name) for name in _FRAMES}
    for tag in dataset.keys():  # noqa: SIM118  # iterating would decode, and raise at the first broken element
        if tag not in pixels and (tag.group in _GROUPS or tag in wanted):
            _copy(dataset, tag, header)
    for name in _IDENTITY:
        if not is_uid(str(header.get(name) or "")):
            raise ReadError(
                code="dicom_identity_missing",
                rule="results need the UIDs of the image that they are about",
                got=f"this one's {name} is missing or invalid",
                remedy="fetch it again from the archive",
            )
    for name in _MAY_BE_EMPTY:
        if name not in header:
            setattr(header, name, "")
    header.PatientSex = sex if (sex := str(header.PatientSex).upper()) in _SEXES else ""
    header.SpecificCharacterSet = "ISO_IR 192"
    if "PerFrameFunctionalGroupsSequence" not in header and (whole_number(header, "NumberOfFrames") or 1) == 1:
        header.pop("NumberOfFrames", None)  # else the only frame would be referred to by a number
    return header


def _copy(dataset: Dataset, tag: int, header: Dataset) -> None:
    try:
        element = dataset[tag]
        file = _little_explicit()
        write_data_element(file, element, "utf_8")
        _shorten_decimals(element)
        if element.VR in _CHECKED:
            for one in element.value if isinstance(element.value, MultiValue) else [element.value]:
                validate_value(element.VR, str(one), RAISE)
        header.add(element)
    except Exception:  # noqa: BLE001  # pydicom raises any exception
        return


def _little_explicit() -> DicomBytesIO:
    file = DicomBytesIO()
    file.is_little_endian, file.is_implicit_VR = True, False
    return file


def _shorten_decimals(element: DataElement) -> None:
    """Round decimal strings that are longer than the 16 characters of the standard."""
    if element.VR == "SQ":
        for item in element.value:
            for each in item:
                _shorten_decimals(each)
    elif element.VR == "DS" and element.value is not None:
        several = isinstance(element.value, MultiValue)
        kept = [DSfloat(float(one), auto_format=True) for one in (element.value if several else [element.value])]
        element.value = kept if several else kept[0]
