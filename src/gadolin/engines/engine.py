"""What an engine does, and the choice of one by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

from gadolin.errors import RequestError, suggestion

__all__ = ["ENGINES", "Engine", "Work", "engine_of"]

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[T], R]
"""A function of one task. It is made once in each process, so it may hold what is slow to load, such as a model."""

ENGINES = ("local",)


class Engine(Protocol):
    """Runs one function over many tasks."""

    def map(self, make: Callable[[], Work[T, R]], tasks: Iterable[T]) -> Iterator[R]:
        """Yield the result of each task, in any order.

        ``make`` is called once in each process and returns the function; both it and the tasks must be picklable.
        Tasks are taken from the iterable as processes become free. An error of the function ends the iteration. If a
        process dies, its task is repeated; a task that is given up raises EngineError.
        """
        ...


def engine_of(name: str, *, processes: int = 1) -> Engine:
    """Return the engine called ``name``, with ``processes`` processes; raises RequestError for an unknown name."""
    if name == "local":
        from gadolin.engines.local import LocalEngine

        return LocalEngine(processes)
    raise RequestError(
        code="engine_unknown",
        rule=f"the engine must be one of {', '.join(ENGINES)}",
        got=f"got {name!r}{suggestion(name, ENGINES)}",
    )
