"""Files at addresses, such as ``s3://bucket/folder/slice.dcm``, through fsspec."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, TypeVar

from gadolin.bulk.packages import require
from gadolin.errors import ArchiveError, ReadError, RequestError, cannot_open
from gadolin.readers import MAX_BYTES

__all__ = ["find", "is_address", "read_address"]

_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_MAGIC = re.compile(r"[*?\[]")
_ATTEMPTS = 5
_FIRST_PAUSE = 0.1  # seconds; doubled after each attempt
_LISTINGS = 5  # at most, until two in a row agree
T = TypeVar("T")


def is_address(path: str) -> bool:
    """Return whether a path is an address with a protocol."""
    return _ADDRESS.match(path) is not None


def read_address(address: str) -> bytes:
    """Return the bytes of the file at an address, at most one more than a file may hold.

    Raises ReadError if there is no such file, or it may not be read; ArchiveError if the store keeps failing.
    """
    files, path = _opened(address)

    def content() -> bytes:
        with files.open(path, "rb") as file:
            return bytes(file.read(MAX_BYTES + 1))

    try:
        return _repeated(content, address)
    except (FileNotFoundError, PermissionError, IsADirectoryError) as error:
        raise cannot_open(error) from error


def find(address: str) -> list[str]:
    """Return the addresses of all files below a folder, or that match a pattern, sorted.

    An incomplete listing looks like a complete one, so the store is listed again until two in a row agree. Raises
    ArchiveError if the store keeps failing or changing.
    """
    files, path = _opened(address)
    files.use_listings_cache = False

    def listing() -> list[str]:
        files.invalidate_cache()
        found = files.glob(path) if _MAGIC.search(path) else files.find(path)
        return sorted(str(files.unstrip_protocol(one)) for one in found if not files.isdir(one))

    before = _repeated(listing, address)
    for _ in range(_LISTINGS - 1):
        again = _repeated(listing, address)
        if again == before:
            return again
        before = again
    raise ArchiveError(
        code="store_changes",
        rule="the listing of a store must stay the same while it is read",
        got=f"{_LISTINGS} listings differed",
        remedy="wait until nothing is written there, or give a manifest",
        path=address,
    )


def _opened(address: str) -> tuple[Any, str]:
    """Return the file system of an address and the path in it."""
    require("fsspec")
    import fsspec

    try:
        files, path = fsspec.core.url_to_fs(address)
    except (ValueError, ImportError) as error:
        raise RequestError(
            code="address_unknown",
            rule="an address must have a protocol that fsspec can open",
            got=f"got {address} ({error})",
            remedy="install its package, such as s3fs, adlfs or gcsfs",
        ) from error
    return files, str(path)


def _repeated(read: Callable[[], T], address: str) -> T:
    """Return what ``read`` returns, which is repeated after an error of the store."""
    pause = _FIRST_PAUSE
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return read()
        except (FileNotFoundError, PermissionError, IsADirectoryError, ReadError):
            raise
        except OSError as error:
            if attempt == _ATTEMPTS:
                raise ArchiveError(
                    code="store_failed",
                    rule="a store must answer",
                    got=f"it failed {_ATTEMPTS} times ({error})",
                    remedy="repeat the command with --resume when it answers",
                    path=address,
                ) from error
        time.sleep(pause)
        pause *= 2
    raise AssertionError
