"""Wait in tests for what happens in another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["until"]


def until(condition: Callable[[], object], seconds: float = 90.0) -> None:
    """Wait until a condition is true; the test fails if it is not within ``seconds``."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not happen in time"
        time.sleep(0.05)
