"""Files in, slices out: the reader is chosen by a file's content, never by its suffix."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gadolin.errors import ReadError, RequestError, suggestion
from gadolin.readers.contents import Contents
from gadolin.readers.kinds import HEAD, file_kind
from gadolin.readers.raster import open_raster
from gadolin.records import Slice

__all__ = [
    "MAX_BYTES",
    "PLANES",
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
_KNOWN = "a PNG, JPEG, BMP, TIFF or WebP picture, a DICOM file, a NIfTI volume or a .mat file of Figshare's"


def read(path: Path | str, frame: int | None = None, *, plane: str = "acquired") -> Slice:
    """Read one slice: that of a file which holds one, or the one numbered ``frame`` (from 0).

    ``plane`` says which way a NIfTI volume is cut: acquired, axial, coronal or sagittal.
    Raises ReadError, naming the file, where it is missing, too large, of no known format, damaged, or holds several
    slices and ``frame`` names none of them.
    """
    with naming(path):
        return one_of(open_bytes(_content(Path(path)), plane=plane), frame)


def read_bytes(content: bytes) -> Slice:
    """Read the one slice of a file's bytes; raises ReadError without a file name."""
    return one_of(open_bytes(content), None)


def open_file(path: Path | str, *, plane: str = "acquired") -> Contents:
    """Open a file and read its header; its slices are decoded one by one. Raises ReadError naming the file."""
    with naming(path):
        return open_bytes(_content(Path(path)), plane=plane)


def open_bytes(content: bytes, *, plane: str = "acquired") -> Contents:
    """Open the bytes of a file, as ``open_file`` does; raises ReadError without a file name."""
    if plane not in PLANES:
        msg = f"the plane must be one of {', '.join(PLANES)}, got {plane!r}{suggestion(plane, PLANES)}"
        raise RequestError(msg)
    if not content:
        msg = "a file must hold bytes, this one is empty; remove it or fetch it again"
        raise ReadError(msg)
    if len(content) > MAX_BYTES:
        msg = f"a file may hold at most {MAX_BYTES:,} bytes, this one holds more; cut it down"
        raise ReadError(msg)
    kind = file_kind(content[:HEAD])
    if kind is None:
        msg = f"a file must be {_KNOWN}, this one is none of them; convert it"
        raise ReadError(msg)
    return _opened(kind, content, plane)


@contextmanager
def naming(path: Path | str) -> Iterator[None]:
    """Put the file's name before what a ReadError inside the block says."""
    try:
        yield
    except ReadError as error:
        msg = f"{path}: {error}"
        raise ReadError(msg) from error


def one_of(contents: Contents, frame: int | None) -> Slice:
    """Decode the only slice of a file, or the one numbered ``frame``; raises ReadError where there is no such slice."""
    if contents.omit:
        raise ReadError(contents.omit)
    if frame is None and contents.slices != 1:
        msg = f"one slice is asked for, this {contents.kind} file holds {contents.slices}; say which with its frame"
        raise ReadError(msg)
    if frame is not None and not 0 <= frame < contents.slices:
        msg = f"a frame must lie in 0 to {contents.slices - 1} in this {contents.kind} file, got {frame}; correct it"
        raise ReadError(msg)
    return contents.decode(frame or 0)


def _opened(kind: str, content: bytes, plane: str) -> Contents:
    """Open by kind; a format's library is imported when a file of it is met."""
    if kind == "DICOM":
        from gadolin.readers.dicom import open_dicom

        return open_dicom(content)
    if kind == "NIfTI":
        from gadolin.readers.nifti import open_nifti

        return open_nifti(content, plane)
    if kind == "MATLAB":
        from gadolin.readers.mat import open_mat

        return open_mat(content)
    return open_raster(content, kind)


def require_utf8(path: Path) -> None:
    """Raise ReadError for a file name that cannot be written down."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        msg = "a file name must be UTF-8, this one is not; rename the file"
        raise ReadError(msg) from error


def _content(path: Path) -> bytes:
    require_utf8(path)
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size or MAX_BYTES  # nothing is known of what is no plain file
            return file.read(min(size, MAX_BYTES) + 1)
    except OSError as error:
        msg = f"cannot be opened ({error.strerror or error}); check the path and its permissions"
        raise ReadError(msg) from error
