"""The processes of this computer."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from itertools import chain, islice
from typing import Any, TypeVar

from gadolin.engines.engine import Work
from gadolin.errors import EngineError, RequestError

__all__ = ["LocalEngine"]

T = TypeVar("T")
R = TypeVar("R")
_ATTEMPTS = 3  # of a task whose process dies
_AHEAD = 2  # tasks for each process that are submitted at a time

_work: Work[Any, Any] | None = None
"""The function of a child process, made when the process starts."""


class LocalEngine:
    """An engine of ``processes`` processes on this computer; with one, the tasks run in the calling process."""

    def __init__(self, processes: int = 1) -> None:
        if processes < 1:
            raise RequestError(
                code="processes_out_of_range", rule="there must be one process or more", got=f"got {processes}"
            )
        self.processes = processes

    def map(self, make: Callable[[], Work[T, R]], tasks: Iterable[T]) -> Iterator[R]:
        """Yield the result of each task, in any order; see ``Engine.map``."""
        if self.processes == 1:
            work = make()
            yield from (work(task) for task in tasks)
            return
        waiting = ((task, 1) for task in tasks)
        lost: list[tuple[T, int]] = []
        while True:
            unfinished = chain([_next_attempt(*one) for one in lost], waiting)
            lost = []
            yield from self._until_one_dies(make, unfinished, lost)
            if not lost:
                return

    def _until_one_dies(
        self, make: Callable[[], Work[T, R]], tasks: Iterator[tuple[T, int]], lost: list[tuple[T, int]]
    ) -> Iterator[R]:
        """Yield results until all tasks are done or a process dies; tasks without a result are then in ``lost``."""
        context = multiprocessing.get_context("spawn")
        pool = ProcessPoolExecutor(self.processes, context, initializer=_start, initargs=(make,))
        pending: dict[Future[R], tuple[T, int]] = {}
        try:
            while not lost:
                for one in islice(tasks, _AHEAD * self.processes - len(pending)):
                    pending[pool.submit(_run, one[0])] = one
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    one = pending.pop(future)
                    try:
                        yield future.result()
                    except BrokenProcessPool:
                        lost.append(one)
            lost += pending.values()
        except BrokenProcessPool:  # by submit
            lost += [one, *pending.values()]
        finally:
            pool.shutdown(cancel_futures=True)


def _next_attempt(task: T, attempts: int) -> tuple[T, int]:
    if attempts == _ATTEMPTS:
        raise EngineError(
            code="worker_died",
            rule="a worker process must not die",
            got=f"one died {attempts} times with {task}",
            remedy="check the memory of the computer, use fewer processes, or leave out this part of the data",
        )
    return task, attempts + 1


def _start(make: Callable[[], Work[Any, Any]]) -> None:
    """Make the function of this child process."""
    global _work
    _work = make()


def _run(task: T) -> Any:
    assert _work is not None, "made when the process started"
    return _work(task)
