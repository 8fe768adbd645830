"""Distributed training: the processes that torchrun started, and errors shared between them."""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from lightning_fabric import Fabric
from torch import distributed

from gadolin.errors import GadolinError, OutputError, error_from_json

__all__ = [
    "RemoteRankError",
    "detect_lost_rank",
    "gather_errors",
    "is_rank_zero",
    "is_reported_by_another_rank",
    "leave_group_at_exit",
    "process_counts",
    "rank_zero_first",
]

Result = TypeVar("Result")

_ENVIRONMENT = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_LOST = ("closed by peer", "reset by peer", "Broken pipe", "gloo", "NCCL")


class RemoteRankError(Exception):
    """The cause of an error that another process raised and reports."""


def process_counts() -> tuple[int, int]:
    """Return the number of processes on all machines and on this one; (1, 1) without torchrun."""
    if any(name not in os.environ for name in _ENVIRONMENT):
        return 1, 1
    return int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])


def is_rank_zero(*, local: bool = False) -> bool:
    """Return whether this process has rank 0, which alone prints and writes; with ``local``, rank 0 of its machine."""
    return process_counts() == (1, 1) or os.environ["LOCAL_RANK" if local else "RANK"] == "0"


def leave_group_at_exit() -> None:
    """Leave the process group when the interpreter ends.

    Fabric does this only with NCCL; gloo threads that outlive the interpreter abort a finished process.
    """
    atexit.unregister(_leave_group)
    atexit.register(_leave_group)


def _leave_group() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def gather_errors(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Return the result of ``work`` once every process has finished it; an error in one is raised in all.

    The process that failed raises its GadolinError; the others raise it from a RemoteRankError, so that only one
    process reports it. An OSError becomes an OutputError.
    """
    if fabric.world_size == 1:
        return work()
    result: Result | None = None
    failure: GadolinError | None = None
    try:
        result = work()
    except GadolinError as error:
        failure = error
    except OSError as error:
        failure = OutputError(
            code="work_stopped", rule="the work cannot continue", got=str(error), remedy="free space or check the path"
        )
    errors: list[dict[str, str | None] | None] = [None] * fabric.world_size
    distributed.all_gather_object(errors, None if failure is None else failure.as_json())
    failed = [rank for rank, each in enumerate(errors) if each is not None]
    if not failed:
        return result  # type: ignore[return-value]  # there was no error, so there is a result
    if failure is not None and failed[0] == fabric.global_rank:
        raise failure
    raise error_from_json(errors[failed[0]] or {}) from RemoteRankError(f"in process {failed[0]}")


def rank_zero_first(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Return the result of ``work``, which rank 0 finishes before the others start; errors as in ``gather_errors``."""
    if fabric.is_global_zero:
        result = gather_errors(fabric, work)
        gather_errors(fabric, lambda: None)
        return result
    gather_errors(fabric, lambda: None)
    return gather_errors(fabric, work)


def is_reported_by_another_rank(error: BaseException) -> bool:
    """Return whether another process prints ``error``; before the processes connect, local rank 0 prints."""
    remote = isinstance(error.__cause__, RemoteRankError)
    return remote or not (is_rank_zero(local=True) or distributed.is_initialized())


@contextmanager
def detect_lost_rank(fabric: Fabric) -> Iterator[None]:
    """Raise OutputError from a RemoteRankError if the block loses the connection to another process."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, distributed.DistError) or any(words in str(error) for words in _LOST)
        if isinstance(error, GadolinError) or fabric.world_size == 1 or not lost:
            raise
        raise OutputError(
            code="process_ended",
            rule="all processes must run until training ends",
            got="another process ended",
            remedy="read its message",
        ) from RemoteRankError(str(error))
