"""How far long work is: the one type of callback that every long function takes."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Progress"]


class Progress(Protocol):
    """Called in the calling thread as work goes on.

    ``done`` of ``total`` units are finished, ``what`` says in a word or two what is being done, such as "preparing
    slices". Work of several phases calls it for each in turn, with totals of their own.
    """

    def __call__(self, done: int, total: int, what: str, /) -> None:
        """Take note of how far the work is."""
