"""Slices of several requests, answered for in one batch: predictions first, what explanations ask in between."""

from __future__ import annotations

import threading
import time
from collections import deque
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.predictor import Predictor
from gadolin.runtime import Answer
from gadolin.serve.problems import ProblemError

__all__ = ["Batcher"]

_MOST = 16
_PATIENT = 8  # slices of explanations at a time while nobody asks for predictions
_SHARE = 2  # predictions for each slice of an explanation, while somebody does
_RECENT = 1.0  # seconds


class _Waiting(NamedTuple):
    prepared: NDArray[np.uint8]
    answer: Future[Answer]


class Batcher:
    """The one place where a service asks its model; safe to call from several threads.

    Up to 16 slices that predictions wait for are answered at a time; what arrives meanwhile makes up the next batch.
    Explanations ask about many slices and can wait: while predictions are asked for, each batch of these is followed
    by few slices of explanations, half as many and one at least, so that neither waits for ever; otherwise explanations
    have up to 8 at a time.
    """

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._urgent: deque[_Waiting] = deque()
        self._patient: deque[_Waiting] = deque()
        self._changed = threading.Condition()
        self._closed, self._asked = False, -_RECENT
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def submit(self, prepared: NDArray[np.uint8]) -> Future[Answer]:
        """Return the future of what the graph says of one prepared slice (H, H) uint8; it has precedence."""
        self._asked = time.monotonic()
        return self._put(self._urgent, prepared)

    def patiently(self, prepared: NDArray[np.uint8]) -> Answer:
        """Return what the graph says of prepared slices (N, H, H) uint8, N at least 1, when predictions let it.

        A ``Runtime``. Raises ProblemError (503) where the service ends meanwhile.
        """
        return Answer.joined([one.result() for one in [self._put(self._patient, each) for each in prepared]])

    def close(self) -> None:
        """Answer the predictions that wait, give up what explanations ask, then stop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _put(self, line: deque[_Waiting], prepared: NDArray[np.uint8]) -> Future[Answer]:
        waiting = _Waiting(prepared, Future())
        with self._changed:
            if self._closed:
                raise _ending()
            line.append(waiting)
            self._changed.notify()
        return waiting.answer

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
                    self._answer(batch)
        while self._patient:
            _refuse([self._patient.popleft()], _ending())

    def _share(self, urgent: int) -> int:
        """Return how many slices of explanations have their turn after so many predictions."""
        return max(1, urgent // _SHARE) if time.monotonic() - self._asked < _RECENT else _PATIENT

    def _answer(self, batch: list[_Waiting]) -> None:
        try:
            said = self._predictor.ask(np.stack([one.prepared for one in batch]))
        except Exception as error:  # noqa: BLE001 -- told to those who wait
            _refuse(batch, error)
            return
        for one, alone in zip(batch, said.rows(), strict=True):
            if one.answer.set_running_or_notify_cancel():
                one.answer.set_result(alone)


def _first(line: deque[_Waiting], most: int) -> list[_Waiting]:
    return [line.popleft() for _ in range(min(most, len(line)))]


def _refuse(batch: list[_Waiting], error: Exception) -> None:
    for one in batch:
        if one.answer.set_running_or_notify_cancel():
            one.answer.set_exception(error)


def _ending() -> ProblemError:
    return ProblemError(
        503, code="ending", rule="the service must be running to answer", got="it is ending", remedy="ask again later"
    )
