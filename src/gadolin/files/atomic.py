"""Atomic writes: a file is either complete or absent."""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from gadolin.errors import DataError, GadolinError, OutputError, RequestError

__all__ = [
    "LOCK",
    "clear_leftovers",
    "is_leftover",
    "replacing",
    "require_file",
    "require_fresh",
    "require_new_file",
    "require_writable",
    "unwritable",
    "write_bytes",
    "write_json",
    "write_text",
]

LOCK = ".lock"
_UMASK = os.umask(0o077)  # readable only by setting it, which is safe during import
os.umask(_UMASK)
_TEMPORARY = re.compile(r"\.(?P<name>.+)\.[a-z0-9_]{8}(\.[^.]+)?")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; move it there when the block succeeds, delete it otherwise.

    Raises OutputError if the folder cannot be written or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise unwritable(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_UMASK)
        temporary.replace(path)
    except GadolinError:
        raise
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path`` atomically."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, atomically."""
    write_bytes(path, content.encode())


def write_json(path: Path, content: object) -> None:
    """Write ``content`` to ``path`` as indented JSON, atomically.

    Undecodable bytes of file names are written as JSON escapes.
    """
    text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def require_fresh(folder: Path, remedy: str = "choose another folder or empty this one") -> None:
    """Create ``folder``; raise DataError if it is not empty, OutputError if it cannot be written.

    Leftovers of a killed process are ignored.
    """
    if folder.is_file() or (folder.is_dir() and not all(is_leftover(path) for path in folder.iterdir())):
        raise DataError(
            code="output_not_empty",
            rule="the output folder must be new or empty",
            got=f"{folder} is not",
            remedy=remedy,
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(folder, error) from error


def require_new_file(path: Path) -> None:
    """Raise RequestError if ``path`` exists, OutputError if it could not be created; create nothing."""
    if path.exists():
        raise RequestError(
            code="output_exists",
            rule="the result must go to a new file",
            got=f"{path} exists",
            remedy="remove it or choose another --out",
        )
    require_writable(path)


def require_file(path: Path) -> None:
    """Raise RequestError if ``path`` is a folder, OutputError if it could not be created; a file may be replaced."""
    if path.is_dir():
        raise RequestError(
            code="output_is_a_folder",
            rule="the result must be a file",
            got=f"{path} is a folder",
            remedy="pass the path of a file in it",
        )
    require_writable(path)


def require_writable(path: Path) -> None:
    """Raise OutputError if ``path`` could not be created, before the work starts; create nothing."""
    try:
        folder = next(one for one in path.absolute().parents if one.exists())
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise unwritable(path, error) from error


def is_leftover(path: Path) -> bool:
    """Return whether ``path`` is a leftover of a killed process: a lock, or a temporary file of ``replacing``."""
    return path.name == LOCK or (_TEMPORARY.fullmatch(path.name) is not None and path.is_file())


def clear_leftovers(folder: Path, *, older_seconds: float = 0.0) -> None:
    """Delete the temporary files of killed processes in ``folder`` that are older than ``older_seconds``.

    0 deletes all, which is safe only if no other process can be writing. Files that cannot be deleted stay.
    """
    before = time.time() - older_seconds
    with suppress(OSError):
        for path in list(folder.iterdir()):
            with suppress(OSError):
                if path.name != LOCK and is_leftover(path) and (not older_seconds or path.stat().st_mtime < before):
                    path.unlink()


def unwritable(path: Path, error: OSError) -> OutputError:
    """Return the error for a ``path`` that cannot be written."""
    why = error.strerror or str(error)
    return OutputError(
        code="unwritable",
        rule=f"cannot write {path}: {why}",
        remedy="free space or choose a writable folder",
    )
