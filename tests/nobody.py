"""Run code as an unprivileged user: root can read everything, so tests of permissions need another user."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["as_nobody", "closed", "shared_folder"]

NOBODY = 65534


def as_nobody(work: Callable[[], object]) -> object:
    """Return the result of ``work()`` in a child process of another user, through JSON.

    Call ``work`` once before, so that its imports are loaded: that user may not be able to read Python's files.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child starts no threads and waits for none
        child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            told = {"returned": work()}
        except BaseException:  # noqa: BLE001  # the parent raises it
            told = {"raised": traceback.format_exc()}
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(json.dumps(told).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = json.loads(pipe.read())
    os.waitpid(child, 0)
    assert "raised" not in told, told["raised"]
    return told["returned"]


@contextmanager
def shared_folder() -> Iterator[Path]:
    """Yield a folder that every user can enter; those of pytest may be private."""
    folder = Path(tempfile.mkdtemp(prefix="gadolin-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def closed(path: Path, mode: int = 0) -> Iterator[None]:
    """Remove all permissions of a file or folder during the block."""
    before = path.stat().st_mode & 0o777
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)
