"""What happens when a batch does not fit into memory: it is learned from in parts."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from gadolin.errors import RecipeError

__all__ = ["Memory", "is_out_of_memory", "must_fit"]

_WORDS = ("can't allocate memory", "not enough memory", "out of memory", "ALLOC_FAILED")
_log = logging.getLogger("gadolin")


def _nothing(_halvings: list[dict[str, int]]) -> None:
    pass


@dataclass(slots=True)
class Memory:
    """Into how many parts batches are split, and what a step that failed must put back.

    ``halvings`` say from which ``step`` on batches have how many ``parts``, so that a run that goes on splits the
    same steps; ``record`` is called with them when one is added. ``processes`` share a batch.
    """

    halvings: list[dict[str, int]] = field(default_factory=list)
    record: Callable[[list[dict[str, int]]], None] = _nothing
    processes: int = 1
    _live: list[Tensor] = field(default_factory=list)
    _kept: list[Tensor] = field(default_factory=list)

    def parts(self, step: int) -> int:
        """Return into how many parts the batch of this step is split."""
        return next((each["parts"] for each in reversed(self.halvings) if each["step"] <= step), 1)

    def keep(self, network: nn.Module) -> None:
        """Remember the buffers of ``network``, which its forward pass changes."""
        if self.processes > 1:
            return
        if not self._kept:
            self._live = [tensor for tensor in network.buffers() if tensor.is_floating_point()]
            self._live += [tensor for tensor in network.buffers() if not tensor.is_floating_point()]
            self._kept = [tensor.clone() for tensor in self._live]
        _copy(self._kept, self._live)

    def halve(self, step: int, count: int) -> None:
        """Put the buffers back and split batches of ``count`` slices into twice as many parts from this step on.

        Raises RecipeError where one slice does not fit, or several processes share the batch.
        """
        parts = self.parts(step)
        if self.processes > 1:
            raise RecipeError(
                code="out_of_memory",
                rule="a process's share of a batch must fit into its memory",
                got=f"{count} slices did not",
                remedy="set a smaller batch_size, or start more processes",
            )
        if parts >= count:
            raise RecipeError(
                code="out_of_memory",
                rule="a batch of one slice must fit into memory",
                got="it did not",
                remedy="set a smaller network.input_size or another network.backbone, or free memory",
            )
        _copy(self._live, self._kept)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        parts = min(2 * parts, count)
        self.halvings.append({"step": step, "parts": parts})
        _log.warning(
            "out of memory at step %d: from here on a batch of %d slices is learned from in %d parts whose gradients "
            "are added up; batch norm sees the parts",
            step,
            count,
            parts,
        )
        self.record(self.halvings)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether ``error`` says that memory could not be had, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _WORDS)


@contextmanager
def must_fit(what: str) -> Iterator[None]:
    """Raise RecipeError where the block finds no memory for ``what``, which cannot be split."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise RecipeError(
            code="out_of_memory",
            rule=f"{what} must fit into memory",
            got="it did not",
            remedy="set a smaller batch_size or network, or free memory",
        ) from error


def _copy(to: list[Tensor], source: list[Tensor]) -> None:
    floating = sum(tensor.is_floating_point() for tensor in to)
    for chosen in (slice(floating), slice(floating, None)):
        if to[chosen]:
            torch._foreach_copy_(to[chosen], source[chosen])
