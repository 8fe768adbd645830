"""The process in a sandbox: drops its rights, then answers requests one by one."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from io import FileIO
from pathlib import Path
from typing import Any

from gadolin.errors import DamagedFileError, GadolinError, TooLargeError
from gadolin.readers.sandbox.messages import Message, receive, send

__all__ = ["Handle", "answer", "hush", "limit", "main"]

Handle = Callable[[dict[str, Any], bytes], Message]
"""Computes the reply from the facts of a request and the bytes of a file."""

_MOST_BYTES = 2**30  # of a request
_LATER_SECONDS = 5.0  # after the time limit of the parent


def main() -> None:
    """Answer requests on standard input until it is closed. The first message holds the task and the limits."""
    requests, replies = FileIO(os.dup(0), "rb"), FileIO(os.dup(1), "wb")
    hush()
    with contextlib.suppress(EOFError, OSError):
        start = receive(requests, _MOST_BYTES).facts
        handle = _handle(start["work"], start["settings"])
        limit(start["memory_bytes"], start["cpu_seconds"])
        send(replies, Message({"ready": True}))
        while True:
            request = receive(requests, _MOST_BYTES)
            content = request.arrays[0].tobytes()
            with _clock(request.facts["seconds"], request.facts["cpu_seconds"]):
                reply = answer(handle, request.facts["request"], content)
            del request, content
            send(replies, reply)


def answer(handle: Handle, facts: dict[str, Any], content: bytes) -> Message:
    """Return the reply to a request; every exception becomes an error of the file, and the process continues."""
    try:
        return handle(facts, content)
    except GadolinError as known:
        error = known
    except MemoryError:
        error = TooLargeError(
            code="out_of_memory",
            rule="a file must fit into the memory of a decoder",
            got="this one does not",
            remedy="use a smaller one",
        )
    except Exception as other:  # noqa: BLE001 -- a damaged file can cause any exception
        error = DamagedFileError(
            code="damaged_file",
            rule="a file must be readable",
            got=f"this one is not ({type(other).__name__})",
            remedy="export it again",
        )
    return Message({"error": error.as_json()})


def hush() -> None:
    """Keep the output of decoding libraries from logs and terminal, since it may quote file contents."""
    logging.disable()
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def limit(memory_bytes: int, cpu_seconds: float) -> None:
    """Limit this process to ``memory_bytes`` beyond its current memory, and forbid writing files and core dumps.

    ``cpu_seconds`` is the processor time for all its files together. No effect on Windows; memory is limited only on
    Linux.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    if sys.platform == "win32":
        return
    import resource

    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    mapped = Path("/proc/self/statm")
    if mapped.exists():  # other systems do not report the current memory
        most = int(mapped.read_text(encoding="ascii").split()[0]) * resource.getpagesize() + memory_bytes
        _lower(resource.RLIMIT_AS, most)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + cpu_seconds) + 1)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, most: int) -> None:
    """Lower a system limit irrevocably; a lower existing one stays."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


@contextlib.contextmanager
def _clock(seconds: float, cpu_seconds: float) -> Iterator[None]:
    """Let the system kill this process if the block takes too long, even if the parent is gone."""
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + _LATER_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_PROF, 0)


def _handle(work: str, settings: dict[str, Any]) -> Handle:
    """Import the task of the sandbox, "module:function", and initialise it."""
    module, _, name = work.partition(":")
    made: Handle = getattr(import_module(module), name)(settings)
    return made
