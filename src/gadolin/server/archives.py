"""Unpack ZIP archives in memory, with limits on number and size of files."""

from __future__ import annotations

import io

from gadolin.files.archives import content_of, open_archive
from gadolin.files.folder_walk import housekeeping_in
from gadolin.server.problems import ProblemError
from gadolin.server.settings import Limits
from gadolin.server.uploads import Upload

__all__ = ["unpacked"]

_ZIP = b"PK\x03\x04"
_ENTRY = b"PK\x01\x02"
_ENTRIES = 4  # per file that a request may hold; folders and hidden files are entries too


def unpacked(files: list[Upload], limits: Limits) -> list[Upload]:
    """Return the files with every ZIP archive replaced by its members, with names of the form archive/member.

    Hidden and housekeeping files are listed, not unpacked. Raises ReadError if an archive is damaged, encrypted or
    compressed by a method other than deflate, TooLargeError if the members are too large, ProblemError if it holds
    archives (415) or too many files (413).
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
    with open_archive(io.BytesIO(upload.content)) as archive:
        for entry in archive.infolist():
            inner = entry.filename
            if entry.is_dir():
                continue
            if housekeeping_in(inner) is not None:
                found.append(Upload(f"{upload.name}/{inner}", b""))
                continue
            content = b"".join(content_of(archive, entry, most))
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
    return found
