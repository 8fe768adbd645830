"""What runs inside a sandbox: it gives up its rights, then turns one request after another into a reply."""

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
"""Makes a reply of the facts of a request and the bytes of a file."""

_MOST_BYTES = 2**30  # of a request
_LATER_SECONDS = 5.0  # after the parent would have ended the process


def main() -> None:
    """Answer requests on standard input until it is closed. The first message says what to do and the limits."""
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
            remedy="send a smaller one",
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
    """Let nothing that a decoding library says of a file reach a log or the terminal."""
    logging.disable()
    warnings.simplefilter("ignore")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)


def limit(memory_bytes: int, cpu_seconds: float) -> None:
    """Let this process take no more memory than it has now and ``memory_bytes``, and write no file and no core.

    ``cpu_seconds`` is the time of the processor that all its files together may take. Without effect on Windows;
    memory is limited on Linux alone.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    if sys.platform == "win32":
        return
    import resource

    for number in (signal.SIGPROF, signal.SIGALRM, signal.SIGXCPU):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    mapped = Path("/proc/self/statm")
    if mapped.exists():  # elsewhere it is unknown how much there is already
        most = int(mapped.read_text(encoding="ascii").split()[0]) * resource.getpagesize() + memory_bytes
        _lower(resource.RLIMIT_AS, most)
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + cpu_seconds) + 1)
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)


def _lower(kind: int, most: int) -> None:
    """Set a limit of the system, for good; one that is lower already stays."""
    if sys.platform != "win32":
        import resource

        hard = resource.getrlimit(kind)[1]
        least = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (least, least))


@contextlib.contextmanager
def _clock(seconds: float, cpu_seconds: float) -> Iterator[None]:
    """Let the system end this process where the block takes too long, also where the parent is gone."""
    if sys.platform == "win32":
        yield
        return
    signal.setitimer(signal.ITIMER_REAL, seconds + _LATER_SECONDS)
    signal.setitimer(signal.ITIMER_PROF, cpu_seconds)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.setitimer(signal.ITIMER_PROF, 0)


def _handle(work: str, settings: dict[str, Any]) -> Handle:
    """Import what the sandbox is to do, "module:function", and let it load what it needs."""
    module, _, name = work.partition(":")
    made: Handle = getattr(import_module(module), name)(settings)
    return made
