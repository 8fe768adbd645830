"""Which slices make up a batch: an order fixed by seed and epoch, so that a run can go on where it stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gadolin.outlines import Outlines
from gadolin.training.processes import share_of

__all__ = ["Batch", "Examples", "batches", "class_weights", "steps_per_epoch"]


class Batch(NamedTuple):
    """Prepared slices (n, H, H) uint8, classes (n,) int64, and where they are known outlines (n, h, h) uint8.

    ``outlined`` (n,) bool tells which slices have an outline; both are None where none has. Where these are only the
    rows from ``first`` on of a batch that several processes share, ``counts`` are its slices and those with outlines.
    """

    prepared: Tensor
    targets: Tensor
    outlines: Tensor | None = None
    outlined: Tensor | None = None
    first: int = 0
    counts: tuple[int, int] | None = None

    @property
    def whole(self) -> int:
        """How many slices the whole batch has."""
        return self.counts[0] if self.counts else len(self.targets)

    @property
    def known(self) -> int:
        """How many slices of the whole batch have an outline."""
        if self.counts:
            return self.counts[1]
        return int(self.outlined.sum()) if self.outlined is not None else 0


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Prepared slices (N, H, H) uint8, usually a memory map, and their classes (N,) int64 in [0, K).

    ``outlines``, where there are any, has one entry for each slice. ``rows`` (M,) int64 picks the slices that belong to
    this part; ``targets`` has one entry for each of them.
    """

    slices: NDArray[np.uint8]
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    outlines: Outlines | None = None

    def __len__(self) -> int:
        """Return how many slices there are."""
        return len(self.rows)

    def share(self, chosen: NDArray[np.int64], piece: tuple[int, int]) -> Batch:
        """Return piece (number, of how many) of the batch of the chosen places."""
        first, last = share_of(len(chosen), *piece)
        known = int(self.outlines.known[self.rows[chosen]].sum()) if self.outlines is not None else 0
        return self.take(chosen[first:last])._replace(first=first, counts=(len(chosen), known))

    def take(self, chosen: NDArray[np.int64]) -> Batch:
        """Return the batch of the chosen places in [0, M)."""
        rows = self.rows[chosen]
        batch = Batch(torch.from_numpy(self.slices[rows]), torch.from_numpy(self.targets[chosen]))
        if self.outlines is None:
            return batch
        coverage, known = torch.from_numpy(self.outlines.coverage[rows]), torch.from_numpy(self.outlines.known[rows])
        return batch._replace(outlines=coverage, outlined=known)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return how many batches an epoch has; a last one that is not full is left to the next epoch's shuffle."""
    return max(1, count // batch_size)


def batches(
    examples: Examples, batch_size: int, *, balance: str, seed: int, epoch: int, piece: tuple[int, int] = (0, 1)
) -> Iterator[Batch]:
    """Yield the batches of one epoch; with ``balance`` of "sampler" every class is drawn equally often.

    ``piece`` (number, of how many) takes only a share of each batch, for one of several processes.
    """
    chance = np.random.default_rng((seed, epoch))
    if balance == "sampler":
        weight = 1 / np.bincount(examples.targets)[examples.targets]
        order = chance.choice(len(examples), len(examples), p=weight / weight.sum())
    else:
        order = chance.permutation(len(examples))
    for step in range(steps_per_epoch(len(examples), batch_size)):
        chosen = order[step * batch_size : (step + 1) * batch_size]
        yield examples.take(chosen) if piece == (0, 1) else examples.share(chosen, piece)


def class_weights(targets: NDArray[np.int64], classes: int, balance: str) -> Tensor:
    """Return (K,) float32 loss weights: the inverse of the counts with mean 1 over slices, or ones."""
    if balance != "weights":
        return torch.ones(classes)
    counts = np.bincount(targets, minlength=classes)
    return torch.tensor(len(targets) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
