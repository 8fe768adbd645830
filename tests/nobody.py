"""Work done without root's rights: root may enter every folder, so what it may not is tried as somebody else."""

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
    """Return what ``work()`` returns in a child process of another user, as JSON has it.

    Call ``work`` once before, so that all it imports is there: that user may not read where Python lies.
    """
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child starts no thread and waits for none
        child = os.fork()
    if not child:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            told = {"returned": work()}
        except BaseException:  # noqa: BLE001  # whatever it is, the parent tells it
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
    """Yield a folder that every user may enter, as those of pytest may not be."""
    folder = Path(tempfile.mkdtemp(prefix="gadolin-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


@contextmanager
def closed(path: Path, mode: int = 0) -> Iterator[None]:
    """Take the rights to a file or folder away for the block."""
    before = path.stat().st_mode & 0o777
    path.chmod(mode)
    try:
        yield
    finally:
        path.chmod(before)
