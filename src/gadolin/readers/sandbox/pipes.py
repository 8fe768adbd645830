"""The parent's ends of the pipes to a sandbox, with deadlines."""

from __future__ import annotations

import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from typing import cast

__all__ = ["Channel"]

_PIPE_BYTES = 2**20  # default limit for any user


class Channel:
    """Writes to the standard input of a process and reads from its standard output, within ``at_most``.

    No thread watches the time, so that the program can fork safely; on Windows, where pipes cannot be polled, a timer
    kills the process instead.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.late = False
        self._process, self._deadline = process, 0.0
        self._requests, self._replies = cast("FileIO", process.stdin), cast("FileIO", process.stdout)
        if sys.platform != "win32":
            for pipe in (self._requests, self._replies):
                os.set_blocking(pipe.fileno(), False)
                _widen(pipe)

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Make reads and writes in the block raise TimeoutError, OSError or EOFError after ``seconds``."""
        self._deadline = time.monotonic() + seconds
        if sys.platform != "win32":
            yield
            return
        timer = threading.Timer(seconds, self._end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()
        if self.late:
            raise TimeoutError

    def write(self, data: memoryview, /) -> int | None:
        """Write as much as fits; return the number of bytes."""
        self._wait(self._requests, writing=True)
        return self._requests.write(data)

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read what is available; return the number of bytes, 0 at the end."""
        self._wait(self._replies, writing=False)
        return self._replies.readinto(buffer)

    def close(self) -> None:
        """Close both ends."""
        self._requests.close()
        self._replies.close()

    def _wait(self, pipe: FileIO, *, writing: bool) -> None:
        """Wait until a pipe is writable or readable; raises TimeoutError at the deadline."""
        if sys.platform == "win32":
            return
        poll = select.poll()
        poll.register(pipe, select.POLLOUT if writing else select.POLLIN)
        if not poll.poll(max(0.0, self._deadline - time.monotonic()) * 1000):
            self.late = True
            raise TimeoutError

    def _end(self) -> None:
        self.late = True
        self._process.kill()


def _widen(pipe: FileIO) -> None:
    """Enlarge a pipe to hold a whole slice, so that neither side waits in the middle of one."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # the pipe memory of a user is limited
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
