"""ZIP archives unpacked in memory, with bounds on what comes out."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib

from gadolin.folder_walk import housekeeping_in
from gadolin.serve.problems import ProblemError
from gadolin.serve.settings import Limits
from gadolin.serve.uploads import Upload

__all__ = ["unpacked"]

_ZIP = b"PK\x03\x04"
_ENTRY = b"PK\x01\x02"
_ENTRIES = 4  # for each file that a request may hold: folders and what is hidden have entries too
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others take memory before they tell how much
_ENCRYPTED = 1
_BLOCK = 1 << 20
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, RuntimeError, OSError, EOFError, ValueError, IndexError)


def unpacked(files: list[Upload], limits: Limits) -> list[Upload]:
    """Return the files with every ZIP archive among them replaced by what it holds, named archive/member.

    Hidden files and housekeeping are listed, not unpacked. Raises ProblemError where an archive is damaged, encrypted
    or packed by another method than deflate (422), holds archives itself (415), or where too much comes out (413).
    """
    out: list[Upload] = []
    left = limits.max_unpacked_bytes
    for upload in files:
        if not upload.content.startswith(_ZIP):
            out.append(upload)
            continue
        if upload.content.count(_ENTRY) > _ENTRIES * limits.max_files:
            raise _too_many(limits)
        for member in _members(upload, left):
            left -= len(member.content)
            out.append(member)
        if sum(bool(one.content) for one in out) > limits.max_files:
            raise _too_many(limits)
    return out


def _too_many(limits: Limits) -> ProblemError:
    return ProblemError(
        413,
        code="too_many_files",
        rule=f"a request may hold {limits.max_files} files",
        got="its archives hold more",
        remedy="send fewer",
    )


def _members(upload: Upload, most: int) -> list[Upload]:
    found: list[Upload] = []
    try:
        with zipfile.ZipFile(io.BytesIO(upload.content)) as archive:
            for entry in archive.infolist():
                inner = entry.filename
                if entry.is_dir():
                    continue
                if housekeeping_in(inner) is not None:
                    found.append(Upload(f"{upload.name}/{inner}", b""))
                    continue
                content = _bounded(archive, entry, most)
                if content.startswith(_ZIP):
                    raise ProblemError(
                        415,
                        code="archive_in_archive",
                        rule="an archive must hold slices",
                        got="this one holds an archive",
                        remedy="unpack it first",
                    )
                most -= len(content)
                found.append(Upload(f"{upload.name}/{inner}", content))
    except _DAMAGED as error:
        raise ProblemError(
            422,
            code="archive_damaged",
            rule="an archive must be whole",
            got=f"this one is not ({str(error)[:60]})",
            remedy="pack it again",
        ) from error
    return found


def _bounded(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, most: int) -> bytes:
    """Return what an entry holds, however large it says it is."""
    if entry.compress_type not in _METHODS or entry.flag_bits & _ENCRYPTED:
        raise ProblemError(
            422,
            code="archive_unsupported",
            rule="an archive must be packed by deflate and not encrypted",
            got="this one is not",
            remedy="pack it again",
        )
    content = bytearray()
    with archive.open(entry) as file:
        while block := file.read(_BLOCK):
            content += block
            if len(content) > most:
                raise ProblemError(
                    413,
                    code="unpacks_too_large",
                    rule="archives must unpack to no more bytes than a request may hold",
                    got="these unpack to more",
                    remedy="send fewer files at once",
                )
    return bytes(content)
