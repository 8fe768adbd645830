"""The decoding processes of a service, one per worker; each is replaced if it dies or exceeds its time limit."""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from gadolin.errors import DecoderError, GadolinError
from gadolin.preprocessing.prepare import Preparation
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox
from gadolin.server.decoding import Decoded, DecodeRequest, as_facts, from_message
from gadolin.server.problems import ProblemError, problem_of
from gadolin.server.settings import Settings

__all__ = ["Decoders"]

_LOG = logging.getLogger("gadolin")
_FILES_EACH = 2000


class Decoders:
    """Decodes files in separate processes; safe to call from several threads.

    A process is replaced if it dies or exceeds its time limit, and after 2,000 files.
    """

    def __init__(self, settings: Settings, preparation: Preparation) -> None:
        limits = settings.limits
        bounds = Bounds(limits.max_memory_bytes, limits.max_seconds, _FILES_EACH)
        work, facts = "gadolin.server.decoding:decoding", preparation.as_json()
        self._all = [Sandbox(work, facts, bounds) for _ in range(settings.workers)]
        self._idle: queue.SimpleQueue[Sandbox] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(settings.workers, "decode")
        self._lock, self._closed = threading.Lock(), False
        for sandbox in self._all:
            sandbox.start()
            self._idle.put(sandbox)

    def submit(self, content: bytes, request: DecodeRequest) -> Future[Decoded]:
        """Return the future of a decoded file; its exception is ProblemError (503) if the decoder died or timed out."""
        return self._threads.submit(self._decode, content, request)

    def processes(self) -> list[int]:
        """Return the ids of the running processes."""
        return [pid for sandbox in self._all if (pid := sandbox.pid) is not None]

    def close(self) -> None:
        """Stop the processes and discard unfinished work."""
        with self._lock:
            self._closed = True
            for sandbox in self._all:
                sandbox.kill()
        self._threads.shutdown(cancel_futures=True)
        for sandbox in self._all:
            sandbox.close()

    def _decode(self, content: bytes, request: DecodeRequest) -> Decoded:
        sandbox = self._idle.get()
        try:
            return from_message(sandbox.run(as_facts(request), content))
        except DecoderError as error:
            _LOG.warning("a decoder was replaced: %s", error.code)
            raise problem_of(error) from error
        except GadolinError as error:
            return Decoded(error=error)
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            sandbox.close()
            raise ProblemError(
                503,
                code="decoder_died",
                rule="a decoder must return slices or an error",
                got="this one did not",
                remedy="check the file",
                retry_seconds=1,
            ) from error
        finally:
            self._start_again(sandbox)
            self._idle.put(sandbox)

    def _start_again(self, sandbox: Sandbox) -> None:
        """Replace a process that has ended, so that the next file does not wait for its start."""
        with self._lock:
            if not self._closed:
                sandbox.start()
