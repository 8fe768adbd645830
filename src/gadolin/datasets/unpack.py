"""Unpack release archives into a folder, within limits on paths and sizes."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

from gadolin.errors import DownloadError, ReadError
from gadolin.files.archives import Bounds, check_contents, content_of, open_archive
from gadolin.files.atomic import replacing
from gadolin.progress import Progress

__all__ = ["unpack"]

_MACOSX = "__MACOSX/"  # macOS metadata
_REMEDY = "none of it is used; fetch it again, and report it if that persists"


def unpack(
    archive: Path,
    folder: Path,
    *,
    wanted: re.Pattern[str],
    bounds: Bounds | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Unpack the files whose base name fully matches ``wanted`` into ``folder``, without subfolders.

    The whole table of contents is checked before the first write; the size of each file is counted while unpacking,
    and a file appears only if its checksum is correct. Raises DownloadError if the archive is damaged or exceeds
    ``bounds``, OutputError if it cannot be written.
    """
    paths = []
    try:
        with open_archive(archive) as opened:
            members = [one for one in opened.infolist() if not one.is_dir() and not one.filename.startswith(_MACOSX)]
            check_contents(members, bounds or Bounds())
            members = [one for one in members if wanted.fullmatch(_last(one))]
            for done, member in enumerate(members, start=1):
                path = folder / _last(member)
                with replacing(path) as temporary, temporary.open("wb") as file:
                    file.writelines(content_of(opened, member, member.file_size))
                paths.append(path)
                if progress is not None:
                    progress(done, len(members), f"unpacking {archive.name}")
    except ReadError as error:
        raise DownloadError(
            code="archive_unfit", rule=error.rule, got=error.got, remedy=_REMEDY, path=archive
        ) from error
    return paths


def _last(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).name
