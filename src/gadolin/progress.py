"""The progress callback of every long-running function."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress"]


class Progress(Protocol):
    """Called repeatedly in the calling thread.

    ``done`` of ``total`` units are finished; ``what`` names the phase, such as "preparing slices". Each phase has its
    own total.
    """

    def __call__(self, done: int, total: int, what: str, /) -> None:
        """Report the progress."""
