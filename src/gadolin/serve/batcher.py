"""Slices of several requests, answered for in one batch."""

from __future__ import annotations

import queue
import threading
from concurrent.futures import Future
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.predictor import Predictor
from gadolin.runtime import Answer

__all__ = ["Batcher"]

_MOST = 16


class _Waiting(NamedTuple):
    prepared: NDArray[np.uint8]
    answer: Future[Answer]


class Batcher:
    """Asks one predictor, up to 16 slices at a time; what arrives while it computes makes up the next batch."""

    def __init__(self, predictor: Predictor) -> None:
        self._predictor = predictor
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="network", daemon=True)
        self._thread.start()

    def submit(self, prepared: NDArray[np.uint8]) -> Future[Answer]:
        """Return the future of what the graph says of one prepared slice (H, H) uint8."""
        answer: Future[Answer] = Future()
        self._queue.put(_Waiting(prepared, answer))
        return answer

    def close(self) -> None:
        """Answer what waits, then stop."""
        self._queue.put(None)
        self._thread.join()

    def _work(self) -> None:
        while (first := self._queue.get()) is not None:
            batch, last = [first], False
            while len(batch) < _MOST and not last:
                try:
                    more = self._queue.get_nowait()
                except queue.Empty:
                    break
                last = more is None
                if more is not None:
                    batch.append(more)
            self._answer(batch)
            if last:
                return

    def _answer(self, batch: list[_Waiting]) -> None:
        try:
            said = self._predictor.ask(np.stack([one.prepared for one in batch]))
        except Exception as error:  # noqa: BLE001 -- told to those who wait
            for one in batch:
                if one.answer.set_running_or_notify_cancel():
                    one.answer.set_exception(error)
            return
        for row, one in enumerate(batch):
            alone = (None if part is None else part[row : row + 1] for part in said)
            if one.answer.set_running_or_notify_cancel():
                one.answer.set_result(Answer(*alone))  # type: ignore[arg-type]  # strangeness alone may be None
