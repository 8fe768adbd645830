"""Threads that share the processors with nobody: OpenCV starts none of its own beside them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Lock

import cv2
import numpy as np

__all__ = ["thread_pool"]


class _OpenPools:
    """How many pools are open, and how many threads OpenCV had before the first was."""

    def __init__(self) -> None:
        self.lock, self.count, self.before = Lock(), 0, 0

    def enter(self) -> None:
        with self.lock:
            if not self.count:
                self.before = cv2.getNumThreads()
                cv2.setNumThreads(1)
            self.count += 1

    def leave(self) -> None:
        with self.lock:
            self.count -= 1
            if not self.count:
                cv2.setNumThreads(self.before)


_OPEN = _OpenPools()
_BLOCK = 24 << 20  # bytes; of more than 32 MiB glibc learns nothing


@contextmanager
def thread_pool(most: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of one thread for each processor, ``most`` at most; what waits is given up where the block raises.

    OpenCV works in the calling thread alone until the last of the open pools is closed.
    """
    np.empty(_BLOCK, np.uint8)  # freed at once: from then on glibc keeps as much, and not every picture takes new pages
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers if most is None else min(workers, most))
    _OPEN.enter()
    try:
        yield pool
    except BaseException:
        pool.shutdown(cancel_futures=True)
        raise
    finally:
        pool.shutdown()
        _OPEN.leave()
