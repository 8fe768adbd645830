"""A thread that ends something which is late; to set and to lift the deadline costs next to nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Deadlines"]


class Deadlines:
    """Calls ``end`` once, from a thread of its own, if a block under ``at_most`` takes longer; then it is ``late``.

    The thread sleeps until the earliest deadline that it has heard of, not woken for later ones.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self.late = False
        self._end = end
        self._change = threading.Condition()
        self._deadline = self._wakes = float("inf")
        self._closed = False
        threading.Thread(target=self._watch, name="deadlines", daemon=True).start()

    @contextmanager
    def at_most(self, seconds: float) -> Iterator[None]:
        """Give the block so much time; raises TimeoutError after a block that was late."""
        with self._change:
            self._deadline = time.monotonic() + seconds
            if self._deadline < self._wakes:
                self._change.notify()
        try:
            yield
        finally:
            with self._change:
                self._deadline = float("inf")
        if self.late:
            raise TimeoutError

    def close(self) -> None:
        """End the thread."""
        with self._change:
            self._closed = True
            self._change.notify()

    def _watch(self) -> None:
        with self._change:
            while not self._closed and not self.late:
                left = self._deadline - time.monotonic()
                if left <= 0:
                    self.late = True
                    self._end()
                    return
                self._wakes = self._deadline
                self._change.wait(None if left == float("inf") else left)
