"""Archives of releases, unpacked into a folder: nothing outside it, nothing larger than expected."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path, PurePosixPath

from gadolin.errors import DownloadError, ReadError
from gadolin.files.archives import Bounds, check_contents, content_of, open_archive
from gadolin.files.atomic import replacing
from gadolin.progress import Progress

__all__ = ["unpack"]

_MACOSX = "__MACOSX/"  # where macOS packs what it knows of each file
_REMEDY = "nothing of it is used; fetch it again, and report it where that stays so"


def unpack(
    archive: Path,
    folder: Path,
    *,
    wanted: re.Pattern[str],
    bounds: Bounds | None = None,
    progress: Progress | None = None,
) -> list[Path]:
    """Unpack the files whose last name matches ``wanted`` wholly into ``folder``, without folders of their own.

    The whole table of contents is checked before the first byte is written; each file is counted as it is unpacked,
    whatever its header says, and appears only when its checksum is right. Raises DownloadError where the archive is
    damaged or goes beyond ``bounds``, OutputError where it cannot be written.
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
