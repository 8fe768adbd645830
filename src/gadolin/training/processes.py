"""Several processes that train one network: what torchrun started, and how they fail together."""

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
    "ElsewhereError",
    "agreed",
    "by_turns",
    "is_first",
    "joined",
    "leave_at_exit",
    "processes",
    "share_of",
    "told_elsewhere",
]

Result = TypeVar("Result")

_ENVIRONMENT = ("WORLD_SIZE", "LOCAL_WORLD_SIZE", "RANK", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
_LOST = ("closed by peer", "reset by peer", "Broken pipe", "gloo", "NCCL")


class ElsewhereError(Exception):
    """The cause of an error that another process met, and tells of."""


def processes() -> tuple[int, int]:
    """Return how many processes torchrun started, on all machines and on this one; (1, 1) without it."""
    if any(name not in os.environ for name in _ENVIRONMENT):
        return 1, 1
    return int(os.environ["WORLD_SIZE"]), int(os.environ["LOCAL_WORLD_SIZE"])


def is_first(*, here: bool = False) -> bool:
    """Tell whether this process is the first one, which alone prints and writes; of this machine with ``here``."""
    return processes() == (1, 1) or os.environ["LOCAL_RANK" if here else "RANK"] == "0"


def leave_at_exit() -> None:
    """Let this process leave the others while its interpreter is still whole, once it ends.

    Fabric does so with NCCL alone; threads of gloo that outlive the interpreter abort a process whose work is done.
    """
    atexit.unregister(_leave)
    atexit.register(_leave)


def _leave() -> None:
    if distributed.is_initialized():
        distributed.destroy_process_group()


def share_of(count: int, number: int, pieces: int) -> tuple[int, int]:
    """Return where piece ``number`` of ``count`` things begins and ends."""
    return count * number // pieces, count * (number + 1) // pieces


def agreed(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Return what ``work`` returns, once it is done in every process; none goes on before.

    Where it raised a GadolinError in one, it is raised in all: there with its own traceback, elsewhere with an
    ElsewhereError as its cause, so that it is told once.
    """
    if fabric.world_size == 1:
        return work()
    result: Result | None = None
    own: GadolinError | None = None
    try:
        result = work()
    except GadolinError as error:
        own = error
    except OSError as error:
        own = OutputError(
            code="work_stopped", rule="the work could not go on", got=str(error), remedy="free space or check the path"
        )
    told: list[dict[str, str | None] | None] = [None] * fabric.world_size
    distributed.all_gather_object(told, None if own is None else own.as_json())
    failed = [number for number, each in enumerate(told) if each is not None]
    if not failed:
        return result  # type: ignore[return-value]  # there was no error, so there is a result
    if own is not None and failed[0] == fabric.global_rank:
        raise own
    raise error_from_json(told[failed[0]] or {}) from ElsewhereError(f"in process {failed[0]}")


def by_turns(fabric: Fabric, work: Callable[[], Result]) -> Result:
    """Return what ``work`` returns; the first process is done with it before the others begin."""
    if fabric.is_global_zero:
        result = agreed(fabric, work)
        agreed(fabric, lambda: None)
        return result
    agreed(fabric, lambda: None)
    return agreed(fabric, work)


def told_elsewhere(error: BaseException) -> bool:
    """Tell whether another process tells of ``error``: what is wrong before they are joined, the first one here."""
    return isinstance(error.__cause__, ElsewhereError) or not (is_first(here=True) or distributed.is_initialized())


@contextmanager
def joined(fabric: Fabric) -> Iterator[None]:
    """Raise an OutputError that another process tells of where the block loses the others."""
    try:
        yield
    except RuntimeError as error:
        lost = isinstance(error, distributed.DistError) or any(words in str(error) for words in _LOST)
        if isinstance(error, GadolinError) or fabric.world_size == 1 or not lost:
            raise
        raise OutputError(
            code="process_ended",
            rule="all processes must go on together",
            got="one of the others ended",
            remedy="see what it told",
        ) from ElsewhereError(str(error))
