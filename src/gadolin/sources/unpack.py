"""Zip archives of strangers, unpacked within bounds: nothing outside the folder, nothing larger than expected."""

from __future__ import annotations

import re
import stat
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from gadolin.atomic import replacing
from gadolin.errors import DownloadError
from gadolin.progress import Progress

__all__ = ["Bounds", "unpack"]

_CHUNK = 1 << 20
_REMEDY = "nothing of it is used; fetch it again, and report it where that stays so"


@dataclass(frozen=True, slots=True)
class Bounds:
    """What an archive may hold at most; ``ratio`` is unpacked to packed bytes of one file."""

    files: int = 5_000
    file_bytes: int = 64 << 20
    total_bytes: int = 4 << 30
    ratio: int = 200


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
    limits = bounds or Bounds()
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [each for each in _checked(archive, opened, limits) if wanted.fullmatch(_last(each))]
            paths = []
            for done, member in enumerate(members, start=1):
                path = folder / _last(member)
                _write(opened, member, path)
                paths.append(path)
                if progress is not None:
                    progress(done, len(members), f"unpacking {archive.name}")
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, UnicodeDecodeError) as error:
        raise _refusal(archive, "must be a whole zip archive", f"it is damaged ({error})") from error
    return paths


def _checked(archive: Path, opened: zipfile.ZipFile, limits: Bounds) -> list[zipfile.ZipInfo]:
    members = [each for each in opened.infolist() if not each.is_dir()]
    if len(members) > limits.files:
        raise _refusal(archive, f"may hold at most {limits.files:,} files", f"it names {len(members):,}")
    for each in members:
        parts = PurePosixPath(each.filename).parts
        if each.filename.startswith("/") or ".." in parts or "\\" in each.filename or ":" in each.filename:
            raise _refusal(archive, "may only hold paths inside its folder", f"it names {each.filename!r}")
        kind = stat.S_IFMT(each.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise _refusal(archive, "may only hold plain files", f"{each.filename!r} is a link or a device")
        if each.flag_bits & 1:
            raise _refusal(archive, "must not be encrypted", f"{each.filename!r} is")
        if each.file_size > limits.file_bytes:
            told = f"{each.filename!r} would have {each.file_size:,}"
            raise _refusal(archive, f"may hold files of at most {limits.file_bytes:,} bytes", told)
        if each.file_size > limits.ratio * max(each.compress_size, 1_000):
            told = f"{each.filename!r} swells from {each.compress_size:,} to {each.file_size:,} bytes"
            raise _refusal(archive, f"may swell at most {limits.ratio} times", told)
    total = sum(each.file_size for each in members)
    if total > limits.total_bytes:
        raise _refusal(archive, f"may hold at most {limits.total_bytes:,} bytes", f"it names {total:,}")
    names = [_last(each) for each in members if not each.filename.startswith("__MACOSX/")]
    twice = {name for name in names if names.count(name) > 1} if len(set(names)) < len(names) else set()
    if twice:
        raise _refusal(archive, "must hold each file once", f"{min(twice)!r} stands in it twice")
    return members


def _write(opened: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    """Unpack one file; more bytes than its header names are refused as they come."""
    written = 0
    with replacing(path) as temporary, opened.open(member) as packed, temporary.open("wb") as file:
        while chunk := packed.read(_CHUNK):
            written += len(chunk)
            if written > member.file_size:
                break
            file.write(chunk)
        if written != member.file_size:
            msg = f"{member.filename!r} has another size than its header names"
            raise zipfile.BadZipFile(msg)


def _last(member: zipfile.ZipInfo) -> str:
    return PurePosixPath(member.filename).name


def _refusal(archive: Path, rule: str, got: str) -> DownloadError:
    return DownloadError(code="archive_unfit", rule=f"{archive.name} {rule}", got=got, remedy=_REMEDY)
