"""The decoding processes of a service: as many as it has workers, each replaced when it dies or takes too long."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import threading
from concurrent.futures import Future, ThreadPoolExecutor

from gadolin.prepare import Preparation
from gadolin.serve.decoder import Decoded, Wanted, as_request, serve_files, unpacked
from gadolin.serve.problems import ProblemError
from gadolin.serve.settings import Settings

__all__ = ["Decoders"]

_LOG = logging.getLogger("gadolin")
_START_SECONDS = 60
_AGAIN = "check the file, or send it again"
_FILES_EACH = 2000


class _Worker:
    """One process and the pipe to it."""

    def __init__(self, preparation: Preparation, max_memory_bytes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, far = context.Pipe()
        arguments = (far, preparation.as_json(), max_memory_bytes)
        self.process = context.Process(target=serve_files, args=arguments, daemon=True)
        self.process.start()
        far.close()
        self.ready, self.files = False, 0

    def ask(self, content: bytes, wanted: Wanted, seconds: float) -> Decoded:
        """Return what the file holds; raises OSError, EOFError or TimeoutError where the process is of no more use."""
        if not self.ready:
            self._expect(_START_SECONDS)
            self.pipe.recv_bytes()
            self.ready = True
        self.files += 1
        self.pipe.send_bytes(as_request(wanted))
        self.pipe.send_bytes(content)
        self._expect(seconds)
        return unpacked(self.pipe)

    def end(self) -> None:
        self.process.kill()
        self.process.join()
        self.pipe.close()

    def _expect(self, seconds: float) -> None:
        if not self.pipe.poll(seconds):
            raise TimeoutError


class Decoders:
    """Decodes files in processes of their own; safe to call from several threads.

    A process is replaced when it dies, when it takes too long, and after 2,000 files, since the libraries that decode
    damaged files do not give all their memory back.
    """

    def __init__(self, settings: Settings, preparation: Preparation) -> None:
        self._limits, self._preparation = settings.limits, preparation
        self._idle: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(settings.workers, "decode")
        self._changing, self._closed = threading.Lock(), False
        self._all = [self._start() for _ in range(settings.workers)]
        for worker in self._all:
            self._idle.put(worker)

    def submit(self, content: bytes, wanted: Wanted) -> Future[Decoded]:
        """Return the future of what a file holds; ProblemError (503) where the decoder died or took too long."""
        return self._threads.submit(self._decode, content, wanted)

    def processes(self) -> list[int]:
        """Return the numbers of the processes."""
        return [worker.process.pid or 0 for worker in self._all]

    def close(self) -> None:
        """End the processes; what is still decoded is given up."""
        with self._changing:
            self._closed = True
            for worker in self._all:
                worker.process.kill()
        self._threads.shutdown(cancel_futures=True)
        for worker in self._all:
            worker.end()

    def _start(self) -> _Worker:
        return _Worker(self._preparation, self._limits.max_memory_bytes)

    def _replaced(self, worker: _Worker) -> _Worker:
        with self._changing:
            if self._closed:
                return worker
            worker.end()
            fresh = self._start()
            self._all[self._all.index(worker)] = fresh
            return fresh

    def _decode(self, content: bytes, wanted: Wanted) -> Decoded:
        worker = self._idle.get()
        try:
            found = worker.ask(content, wanted, self._limits.max_seconds)
            if worker.files >= _FILES_EACH:
                worker = self._replaced(worker)
        except (OSError, EOFError, ValueError, KeyError, TypeError) as error:
            problem = self._given_up(late=isinstance(error, TimeoutError))
            _LOG.warning("a decoder was replaced: %s", problem.code)
            worker = self._replaced(worker)
            raise problem from error
        finally:
            self._idle.put(worker)
        return found

    def _given_up(self, *, late: bool) -> ProblemError:
        if late:
            return ProblemError(
                503,
                code="decoder_too_slow",
                rule=f"a file must be decoded within {self._limits.max_seconds:g} s",
                got="this one was not",
                remedy=_AGAIN,
                retry_seconds=1,
            )
        return ProblemError(
            503,
            code="decoder_died",
            rule="a decoder must survive its file",
            got="this one died",
            remedy=_AGAIN,
            retry_seconds=1,
        )
