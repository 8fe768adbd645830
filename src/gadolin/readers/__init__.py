"""Files in, slices out: the reader is chosen by a file's content, never by its suffix."""

from __future__ import annotations

from pathlib import Path

from gadolin.errors import ReadError
from gadolin.readers import raster
from gadolin.records import Slice

__all__ = ["MAX_BYTES", "read", "read_bytes"]

MAX_BYTES = 512 * 1024 * 1024


def read(path: Path) -> Slice:
    """Read one picture.

    Raises ReadError, naming the file, where it is missing, too large, or no picture of a known format.
    """
    try:
        with path.open("rb") as file:
            return read_bytes(file.read(MAX_BYTES + 1))
    except ReadError as error:
        msg = f"{path}: {error}"
        raise ReadError(msg) from error
    except OSError as error:
        msg = f"{path}: cannot be opened ({error.strerror or error}); check the path and its permissions"
        raise ReadError(msg) from error


def read_bytes(content: bytes) -> Slice:
    """Read one picture from the bytes of its file; raises ReadError without a file name."""
    if not content:
        msg = "a picture must hold bytes, this file is empty; remove it or fetch it again"
        raise ReadError(msg)
    if len(content) > MAX_BYTES:
        msg = f"a picture may hold at most {MAX_BYTES:,} bytes, this one holds more; cut it down"
        raise ReadError(msg)
    return raster.decode(content)
