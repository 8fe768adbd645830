"""ZIP archives from untrusted sources, unpacked within limits."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from gadolin.errors import DamagedFileError, GadolinError, ReadError, TooLargeError

__all__ = ["Bounds", "check_contents", "content_of", "open_archive"]

_CHUNK = 1 << 20
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others allocate memory of unknown size
_ENCRYPTED = 1
_DAMAGE = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, OSError, EOFError, ValueError, IndexError)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of an archive; ``ratio`` is unpacked over packed bytes of one file."""

    files: int = 5_000
    file_bytes: int = 64 << 20
    total_bytes: int = 4 << 30
    ratio: int = 200


@contextmanager
def open_archive(file: Path | BinaryIO) -> Iterator[zipfile.ZipFile]:
    """Open an archive for the block; raises DamagedFileError if it, or a member read in the block, is damaged."""
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except GadolinError:
        raise
    except _DAMAGE as error:
        raise DamagedFileError(
            code="archive_damaged",
            rule="an archive must be intact",
            got=f"this one is not ({str(error)[:60]})",
            remedy="pack it again",
        ) from error


def check_contents(members: Sequence[zipfile.ZipInfo], bounds: Bounds) -> None:
    """Raise ReadError unless the files respect ``bounds``, are regular, and stay inside the archive's folder.

    This trusts the table of contents; ``content_of`` counts the unpacked bytes.
    """
    if len(members) > bounds.files:
        raise _too_large(rule=f"an archive may hold {bounds.files:,} files", got=f"this one holds {len(members):,}")
    for each in members:
        _check_path(each)
        _check_size(each, bounds)
    total = sum(each.file_size for each in members)
    if total > bounds.total_bytes:
        raise _too_large(rule=f"an archive may unpack to {bounds.total_bytes:,} bytes", got=f"this one has {total:,}")
    names = Counter(PurePosixPath(each.filename).name for each in members)
    name, count = max(names.items(), key=lambda item: item[1], default=("", 1))
    if count > 1:
        raise _unsafe(rule="an archive must hold each file once", got=f"this one has {name!r} twice")


def content_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo, most: int) -> Iterator[bytes]:
    """Yield the content of a member, in pieces of 1 MiB at most.

    Raises TooLargeError before yielding more than ``most`` bytes, even if the header declares fewer; ReadError for an
    encrypted member or a method other than store and deflate; exceptions of zipfile, which ``open_archive`` converts,
    for damage.
    """
    if member.compress_type not in _METHODS or member.flag_bits & _ENCRYPTED:
        raise ReadError(
            code="archive_unsupported",
            rule="an archive must be packed by deflate and not encrypted",
            got="this one is not",
            remedy="pack it again",
        )
    size = 0
    with archive.open(member) as file:
        while piece := file.read(_CHUNK):
            size += len(piece)
            if size > most:
                raise _too_large(rule=f"the unpacked content may hold {most:,} bytes", got="it holds more")
            yield piece
    if size != member.file_size:
        msg = f"{member.filename!r} has another size than its header declares"
        raise zipfile.BadZipFile(msg)


def _check_path(member: zipfile.ZipInfo) -> None:
    name = member.filename
    if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name or ":" in name:
        raise _unsafe(rule="an archive may only hold paths inside its folder", got=f"this one has {name!r}")
    if stat.S_IFMT(member.external_attr >> 16) not in (0, stat.S_IFREG):
        raise _unsafe(rule="an archive may only hold regular files", got=f"{name!r} is a link or a device")


def _check_size(member: zipfile.ZipInfo, bounds: Bounds) -> None:
    name, packed, size = member.filename, member.compress_size, member.file_size
    if size > bounds.file_bytes:
        raise _too_large(
            rule=f"a file of an archive may hold {bounds.file_bytes:,} bytes", got=f"{name!r} has {size:,}"
        )
    if size > bounds.ratio * max(packed, 1_000):
        rule = f"a file may unpack to {bounds.ratio} times its size"
        raise _too_large(rule=rule, got=f"{name!r} grows from {packed:,} to {size:,} bytes")


def _too_large(*, rule: str, got: str) -> TooLargeError:
    return TooLargeError(code="unpacks_too_large", rule=rule, got=got, remedy="use fewer or smaller files")


def _unsafe(*, rule: str, got: str) -> ReadError:
    return ReadError(code="archive_unsafe", rule=rule, got=got, remedy="pack it again")
