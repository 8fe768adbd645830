"""Thread pools; OpenCV runs single-threaded while one is open, so that threads do not outnumber processors."""

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
    """Number of open pools, and the thread count of OpenCV before the first one."""

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
_BLOCK = 24 << 20  # bytes; glibc does not adapt its threshold to blocks above 32 MiB


@contextmanager
def thread_pool(most: int | None = None) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of one thread for each processor, ``most`` at most; pending work is cancelled if the block raises.

    OpenCV uses only the calling thread until the last open pool is closed.
    """
    np.empty(_BLOCK, np.uint8)  # freed at once: glibc then reuses blocks of this size instead of requesting new pages
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
