"""The parent's ends of the pipes to a sandbox, which wait no longer than until a deadline."""

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

_PIPE_BYTES = 2**20  # what any user may have by default


class Channel:
    """Writes to the standard input of a process and reads from its standard output, within ``at_most``.

    No thread watches the time, so that a program which is about to fork has none because of this one; on Windows,
    where pipes cannot be polled, a timer ends the process instead.
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
        """Let reading and writing within the block raise TimeoutError, or OSError or EOFError, once it is ``late``."""
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
        """Write as much as fits and return how many bytes that was."""
        self._wait(self._requests, writing=True)
        return self._requests.write(data)

    def readinto(self, buffer: memoryview, /) -> int | None:
        """Read as much as there is and return how many bytes that was, 0 at the end."""
        self._wait(self._replies, writing=False)
        return self._replies.readinto(buffer)

    def close(self) -> None:
        """Close both ends."""
        self._requests.close()
        self._replies.close()

    def _wait(self, pipe: FileIO, *, writing: bool) -> None:
        """Wait until a pipe can be written to or read from; raises TimeoutError at the deadline."""
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
    """Let a whole slice fit into a pipe, so that neither side waits for the other within it."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # a user may have so many bytes in pipes and no more
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
