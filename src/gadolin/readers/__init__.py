"""Read slices from files; the content of a file, not its suffix, selects the reader."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from gadolin.errors import (
    DamagedFileError,
    ReadError,
    RequestError,
    TooLargeError,
    UnknownFormatError,
    cannot_open,
    suggestion,
)
from gadolin.files.folder_walk import special_file
from gadolin.readers.contents import CHANNELS, Contents, check_size, require_frame
from gadolin.readers.file_types import HEAD, SUFFIXES, file_kind
from gadolin.readers.raster import open_raster
from gadolin.readers.registry import READERS, Reader, open_with, unusable_plugins
from gadolin.records import Slice

__all__ = [
    "MAX_BYTES",
    "PLANES",
    "READERS",
    "Contents",
    "Reader",
    "check_size",
    "content_of",
    "file_kind",
    "naming",
    "one_of",
    "open_bytes",
    "open_file",
    "read",
    "read_bytes",
    "require_utf8",
]

MAX_BYTES = 512 * 1024 * 1024
PLANES = ("acquired", "axial", "coronal", "sagittal")
_KNOWN = "a PNG, JPEG, BMP, TIFF or WebP image, a DICOM file, a NIfTI volume or a Figshare .mat file"


def read(path: Path | str, frame: int | None = None, *, plane: str = "acquired") -> Slice:
    """Read one slice: the only one of a file, or the one with index ``frame`` (from 0).

    ``plane`` is the cutting plane of a NIfTI volume: acquired, axial, coronal or sagittal.
    Raises ReadError with the path if the file is missing, too large, of unknown format or damaged, or if it holds
    several slices and ``frame`` selects none of them.
    """
    with naming(path):
        return one_of(open_bytes(_content(path), plane=plane), frame)


def read_bytes(content: bytes) -> Slice:
    """Read the only slice in the bytes of a file; raises ReadError without a path."""
    return one_of(open_bytes(content), None)


def open_file(path: Path | str, *, plane: str = "acquired") -> Contents:
    """Open a file and read its header; slices are decoded on demand. Raises ReadError with the path."""
    with naming(path):
        return open_bytes(_content(path), plane=plane)


def open_bytes(content: bytes, *, plane: str = "acquired") -> Contents:
    """Open the bytes of a file, as ``open_file`` does; raises ReadError without a path."""
    if plane not in PLANES:
        raise RequestError(
            code="plane_unknown",
            rule=f"the plane must be one of {', '.join(PLANES)}",
            got=f"got {plane!r}{suggestion(plane, PLANES)}",
        )
    _require_length(content)
    kind = file_kind(content[:HEAD])
    if kind is None:
        raise UnknownFormatError(
            code="unknown_format",
            rule=f"a file must be {', or '.join([_KNOWN, *READERS.plugins()])}",
            got=f"this one is none of them{unusable_plugins()}",
            remedy="convert it",
        )
    return _opened(kind, content, plane)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Add the path to a ReadError of the block."""
    try:
        yield
    except ReadError as error:
        raise error.at(path) from error


def one_of(contents: Contents, frame: int | None) -> Slice:
    """Decode the only slice of a file, or the one with index ``frame``; raises ReadError if there is no such slice."""
    if contents.omit is not None:
        raise contents.omit
    if frame is None and contents.slices != 1:
        raise ReadError(
            code="frame_needed",
            rule="one slice is required",
            got=f"this {contents.kind} file holds {contents.slices}",
            remedy="select one with its frame",
        )
    if frame is not None and contents.channels is not None:
        require_frame(frame, CHANNELS, f"three-channel {contents.kind}")
        return contents.channels(frame)
    if frame is not None:
        require_frame(frame, contents.slices, contents.kind)
    return contents.decode(frame or 0)


def _opened(kind: str, content: bytes, plane: str) -> Contents:
    """Open by kind; the library of a format is imported on first use."""
    if kind == "DICOM":
        from gadolin.readers.dicom.reader import open_dicom

        return open_dicom(content)
    if kind == "NIfTI":
        from gadolin.readers.nifti.reader import open_nifti

        return open_nifti(content, plane)
    if kind == "MATLAB":
        from gadolin.readers.matlab.reader import open_mat

        return open_mat(content)
    return open_raster(content, kind) if kind in SUFFIXES else open_with(kind, content)


def _is(kind: str, head: bytes) -> bool:
    return file_kind(head) == kind


for _kind, _suffixes in SUFFIXES.items():
    READERS.register(_kind)(Reader(_kind, _suffixes, partial(_is, _kind), open_bytes))


def require_utf8(path: Path | str) -> None:
    """Raise ReadError for a file name that is not UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ReadError(
            code="file_name_not_utf8", rule="a file name must be UTF-8", got="this one is not", remedy="rename the file"
        ) from error


def content_of(path: Path | str) -> bytes:
    """Return the bytes of a file; raises ReadError without a path if it is empty, too large, a pipe or a device."""
    content = _content(path)
    _require_length(content)
    return content


def _require_length(content: bytes) -> None:
    """Raise ReadError if the content of a file is empty or too large."""
    if not content:
        raise DamagedFileError(
            code="empty_file",
            rule="a file must not be empty",
            got="this one is",
            remedy="remove it or fetch it again",
        )
    if len(content) > MAX_BYTES:
        raise TooLargeError(
            code="file_too_large",
            rule=f"a file may hold at most {MAX_BYTES:,} bytes",
            got="this one holds more",
            remedy="reduce it",
        )


def _content(path: Path | str) -> bytes:
    """Return the bytes of a file, at most MAX_BYTES + 1; a pipe or device is refused, since it could block."""
    require_utf8(path)
    if not str(path):
        why = "the path is empty"
        raise cannot_open(why)
    if (special := special_file(str(path))) is not None:
        raise special
    try:
        with Path(path).open("rb") as file:
            size = os.fstat(file.fileno()).st_size or MAX_BYTES  # a pipe from a shell has size 0
            return file.read(min(size, MAX_BYTES) + 1)
    except (OSError, ValueError) as error:  # ValueError: an invalid file name
        raise cannot_open(error) from error
