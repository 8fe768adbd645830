"""A process that decodes files with limited memory and time and without write access; replaced when it dies.

Native decoders may crash or hang on a damaged file; in a sandbox, only that file fails. The service decodes all files
in such processes, the command line and Python only formats that need a native library.

Requests and replies are bytes, JSON and arrays over a pipe, without pickle, so that a compromised decoder can send
only numbers and text.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import weakref
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gadolin.errors import DecoderError, error_from_json
from gadolin.readers.sandbox.messages import Message, receive, send
from gadolin.readers.sandbox.pipes import Channel

__all__ = ["Bounds", "Sandbox", "has_limits"]

_PROGRAM = """import json, sys
sys.path[:] = json.loads(sys.argv[1])
from gadolin.readers.sandbox.child import main
main()"""
_START_SECONDS = 60.0
_LATE = ("SIGPROF", "SIGALRM", "SIGXCPU")  # signals of exceeded time limits
_CHECK = "check the file"


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits of a process: memory beyond its start, seconds per file, and the number of ``files`` it decodes.

    After ``files`` files a new process replaces it, since libraries leak memory on damaged files.
    """

    memory_bytes: int = 2 * 2**30
    seconds: float = 20.0
    files: int = 2000


def has_limits() -> bool:
    """Return whether the system can limit the memory of a process, and this Python can start one."""
    return (
        sys.platform == "linux"
        and Path("/proc/self/statm").exists()
        and not getattr(sys, "frozen", False)
        and re.match("(python|pypy)", Path(sys.executable or "").name) is not None
    )


class Sandbox:
    """One process at a time, started on first use; thread-safe and fork-safe.

    ``work`` is "module:function": called with ``settings`` (JSON) in the process before it drops its rights, it returns
    the function that computes a Message from the facts (JSON) and bytes of each request. The process ends with
    ``close``, with the parent process, or when the sandbox is garbage-collected.
    """

    def __init__(self, work: str, settings: dict[str, Any] | None = None, bounds: Bounds | None = None) -> None:
        self._work, self._settings, self._bounds = work, settings or {}, bounds or Bounds()
        self._lock = threading.Lock()
        self._process: _Process | None = None
        _ALL.add(self)

    @property
    def pid(self) -> int | None:
        """The id of the process, or None if none is running."""
        process = self._process
        return None if process is None else process.popen.pid

    def start(self) -> None:
        """Start the process if none is running, without waiting for it."""
        with self._lock, suppress(OSError):
            self._started()

    def run(self, facts: dict[str, Any], content: bytes, *, cpu_seconds: float | None = None) -> Message:
        """Return the reply to a request; concurrent requests wait.

        ``cpu_seconds`` is the limit of processor time, if below the limit per file. Raises DecoderError if the process
        cannot be started, dies or is late, the error of the reply, and any interruption of the wait; the next request
        then gets a new process.
        """
        clocks = (self._bounds.seconds, min(cpu_seconds or self._bounds.seconds, self._bounds.seconds))
        request = {"seconds": clocks[0], "cpu_seconds": clocks[1], "request": facts}
        message = Message(request, (np.frombuffer(content, np.uint8),))
        with self._lock:
            process = None
            try:
                process = self._started()
                process.wait_until_ready()
                reply = process.request(message)
                failure = error_from_json(reply.facts["error"]) if "error" in reply.facts else None
            except BaseException as error:
                self._end()
                if not isinstance(error, Exception):
                    raise
                raise (process.failure(*clocks) if process and process.ready else _not_started()) from error
            if process.files >= self._bounds.files:
                self._end()
        if failure is not None:
            raise failure
        return reply

    def kill(self) -> None:
        """Kill the process from another thread; its current request fails."""
        process = self._process
        if process is not None:
            process.popen.kill()

    def close(self) -> None:
        """End the process, if running, and wait for it; the next request starts a new one."""
        with self._lock:
            self._end()

    def _started(self) -> _Process:
        if self._process is None:
            self._process = _Process(self._work, self._settings, self._bounds)
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None

    def _forget(self) -> None:
        """After a fork, drop the process that belongs to the parent."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            process.forget()


class _Process:
    """A process and the pipes to it."""

    def __init__(self, work: str, settings: dict[str, Any], bounds: Bounds) -> None:
        path = json.dumps([str(Path(each).absolute()) for each in sys.path if each])
        self.popen = subprocess.Popen(
            [sys.executable, "-P", "-c", _PROGRAM, path],  # -P: no imports from the working folder
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C goes to the parent, which ends it
        )
        self.channel = Channel(self.popen)
        self.end = weakref.finalize(self, _end, self.popen, self.channel, os.getpid())
        self.bounds, self.ready, self.files = bounds, False, 0
        start = {"work": work, "settings": settings, "memory_bytes": bounds.memory_bytes}
        with suppress(OSError), self.channel.at_most(_START_SECONDS):  # if it is dead, ``wait_until_ready`` fails
            send(self.channel, Message(start | {"cpu_seconds": bounds.seconds * bounds.files}))

    def wait_until_ready(self) -> None:
        """Wait until initialised; raises EOFError, TimeoutError or OSError on failure."""
        if not self.ready:
            with self.channel.at_most(_START_SECONDS):
                self._receive()
            self.ready = True

    def request(self, message: Message) -> Message:
        """Return the reply; raises OSError, EOFError, TimeoutError or ValueError if there is none."""
        self.files += 1
        with self.channel.at_most(self.bounds.seconds):
            send(self.channel, message)
            return self._receive()

    def failure(self, seconds: float, cpu_seconds: float) -> DecoderError:
        """Return the error for the file that ended the process."""
        clocks = [getattr(signal, name, None) for name in _LATE]
        late = self.channel.late
        if late or -(self.popen.returncode or 0) in clocks:
            return DecoderError(
                code="decoder_too_slow",
                rule=f"a file must be decoded within {seconds if late else cpu_seconds:.3g} s",
                got="this one was not",
                remedy=_CHECK,
            )
        return DecoderError(
            code="decoder_died", rule="a decoder must survive its file", got="this one died", remedy=_CHECK
        )

    def forget(self) -> None:
        """Close the pipes in a fork of the parent, without ending the process."""
        self.end.detach()
        self.channel.close()
        self.popen.returncode = 0  # it is not a child of this process

    def _receive(self) -> Message:
        return receive(self.channel, self.bounds.memory_bytes)


def _end(popen: subprocess.Popen[bytes], channel: Channel, parent: int) -> None:
    """Kill a process that this one started, and close its pipes."""
    if os.getpid() != parent:
        return
    popen.kill()
    popen.wait()
    channel.close()


def _not_started() -> DecoderError:
    return DecoderError(
        code="decoder_not_started",
        rule="a decoder process must start",
        got="this one did not",
        remedy="check the available memory and the number of processes",
    )


_ALL: weakref.WeakSet[Sandbox] = weakref.WeakSet()


def _forget_all() -> None:
    for sandbox in list(_ALL):
        sandbox._forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
