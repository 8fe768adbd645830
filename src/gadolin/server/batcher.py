"""Batches of slices from several requests: predictions first, samples of explanations between them."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.models.predictor import Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.server.problems import ProblemError

__all__ = ["Batcher"]

_MOST = 16
_PATIENT = 8  # samples of explanations per batch while no predictions arrive
_SHARE = 2  # predictions per sample of an explanation while predictions arrive
_RECENT = 1.0  # seconds


class _Waiting(NamedTuple):
    prepared: NDArray[np.uint8]
    output: Future[NetworkOutput]


class Batcher:
    """The only place where a service runs its network; safe to call from several threads.

    A batch has up to 16 slices of predictions; slices that arrive while it runs form the next one. Explanations need
    many samples and can wait: while predictions arrive, half as many samples of explanations, at least one, follow each
    batch, so that neither starves; otherwise a batch has up to 8 samples.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._urgent: deque[_Waiting] = deque()
        self._patient: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed, self._last = False, -_RECENT
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def submit(self, prepared: NDArray[np.uint8]) -> Future[NetworkOutput]:
        """Return the future of the network's output for one prepared slice (H, H) uint8, with priority."""
        self._last = time.monotonic()
        return self._put(self._urgent, prepared)

    def patiently(self, prepared: NDArray[np.uint8]) -> NetworkOutput:
        """Return the network's output for prepared slices (N, H, H) uint8, N at least 1, at low priority.

        A ``Runtime``. Raises ProblemError (503) if the service stops first.
        """
        return NetworkOutput.joined([one.result() for one in [self._put(self._patient, each) for each in prepared]])

    def predictions_waiting(self) -> int:
        """Return how many slices of predictions wait."""
        return len(self._urgent)

    def samples_waiting(self) -> int:
        """Return how many samples of explanations wait."""
        return len(self._patient)

    def close(self) -> None:
        """Run the waiting predictions, cancel the explanations, and stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _put(self, line: deque[_Waiting], prepared: NDArray[np.uint8]) -> Future[NetworkOutput]:
        waiting = _Waiting(prepared, Future())
        with self._changed:
            if self._closed:
                raise _ending()
            line.append(waiting)
            self._changed.notify()
        return waiting.output

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._urgent or self._patient or self._closed)
                urgent = _first(self._urgent, _MOST)
                patient = [] if self._closed else _first(self._patient, self._share(len(urgent)))
                if not urgent and not patient:
                    break
            for batch in (urgent, patient):
                if batch:
                    self._run(batch)
        while self._patient:
            _refuse([self._patient.popleft()], _ending())

    def _share(self, urgent: int) -> int:
        """Return how many samples of explanations follow a batch of ``urgent`` predictions."""
        return max(1, urgent // _SHARE) if time.monotonic() - self._last < _RECENT else _PATIENT

    def _run(self, batch: list[_Waiting]) -> None:
        try:
            output = self._predictor.run_network(np.stack([one.prepared for one in batch]))
        except Exception as error:  # noqa: BLE001 -- passed to the waiting requests
            _refuse(batch, error)
            return
        for one, row in zip(batch, output.rows(), strict=True):
            if one.output.set_running_or_notify_cancel():
                one.output.set_result(row)


def _first(line: deque[_Waiting], most: int) -> list[_Waiting]:
    return [line.popleft() for _ in range(min(most, len(line)))]


def _refuse(batch: list[_Waiting], error: Exception) -> None:
    for one in batch:
        if one.output.set_running_or_notify_cancel():
            one.output.set_exception(error)


def _ending() -> ProblemError:
    return ProblemError(
        503, code="ending", rule="the service must be running", got="it is stopping", remedy="retry later"
    )
