"""The batches of an epoch, in an order fixed by seed and epoch, so that a run can be resumed exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gadolin.preprocessing.outlines import Outlines

__all__ = ["Batch", "Examples", "batches", "epoch_order", "epoch_size", "steps_per_epoch"]


class Batch(NamedTuple):
    """Prepared slices (n, H, H) uint8, classes (n,) int64 and, if known, outlines (n, h, h) uint8.

    ``outlined`` (n,) bool marks the slices with an outline; both are None if no slice has one. ``kind_known`` (n,) bool
    is false for a slice whose tumour does not teach its kind; None: all teach it. ``sequences`` (n,) int64 are indices
    of MRI sequences, -1 if unknown; None if none are learned.
    """

    prepared: Tensor
    targets: Tensor
    outlines: Tensor | None = None
    outlined: Tensor | None = None
    kind_known: Tensor | None = None
    sequences: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Prepared slices (N, H, H) uint8, usually a memory map, and their classes (N,) int64 in [0, K).

    ``outlines``, if any, has one entry for each of the N slices. ``rows`` (M,) int64 selects the slices of this part;
    ``targets`` has one entry for each of them, and so have the last three unless they are None: ``kind_known`` (M,)
    bool and ``sequences`` (M,) int64 as in ``Batch``, and ``chances`` (M,) float64, the sampling probabilities, which
    sum to 1. ``kinds`` are the classes that are kinds of tumour; the target of a tumour of unknown kind is the first.
    """

    slices: NDArray[np.uint8]
    rows: NDArray[np.int64]
    targets: NDArray[np.int64]
    outlines: Outlines | None = None
    kinds: tuple[int, ...] = ()
    kind_known: NDArray[np.bool_] | None = None
    sequences: NDArray[np.int64] | None = None
    chances: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Return the number of slices of this part."""
        return len(self.rows)

    def take(self, chosen: NDArray[np.int64]) -> Batch:
        """Return the batch of the slices at the ``chosen`` indices in [0, M)."""
        rows = self.rows[chosen]
        batch = Batch(torch.from_numpy(self.slices[rows]), torch.from_numpy(self.targets[chosen]))
        if self.kind_known is not None:
            batch = batch._replace(kind_known=torch.from_numpy(self.kind_known[chosen]))
        if self.sequences is not None:
            batch = batch._replace(sequences=torch.from_numpy(self.sequences[chosen]))
        if self.outlines is None:
            return batch
        coverage, known = torch.from_numpy(self.outlines.coverage[rows]), torch.from_numpy(self.outlines.known[rows])
        return batch._replace(outlines=coverage, outlined=known)


def steps_per_epoch(count: int, batch_size: int) -> int:
    """Return the number of batches per epoch; an incomplete last batch is dropped."""
    return max(1, count // batch_size)


def epoch_size(examples: Examples, draws: int) -> int:
    """Return the number of slices per epoch: ``draws``, or all of them if that is 0."""
    return draws or len(examples)


def epoch_order(examples: Examples, *, balance: str, seed: int, epoch: int, draws: int = 0) -> NDArray[np.int64]:
    """Return (``epoch_size``,) int64: the slices of one epoch, in order.

    ``balance`` of "sampler" draws every class equally often, "sources" by ``chances``. Otherwise each slice occurs once
    before any occurs again.
    """
    random = np.random.default_rng((seed, epoch))
    count = epoch_size(examples, draws)
    if balance == "sampler":
        weight = 1 / np.bincount(examples.targets)[examples.targets]
        return random.choice(len(examples), count, p=weight / weight.sum())
    if balance == "sources":
        return random.choice(len(examples), count, p=examples.chances)
    rounds = [random.permutation(len(examples)) for _ in range(-(-count // len(examples)))]
    return np.concatenate(rounds)[:count]


def batches(
    examples: Examples, order: NDArray[np.int64], batch_size: int, *, rank: int = 0, world_size: int = 1
) -> Iterator[Batch]:
    """Yield the batches of one epoch in ``order``; with several processes, the share of this process of every batch.

    Process ``rank`` takes every ``world_size``-th slice. A batch that does not divide evenly is padded with its first
    slices, so that all shares have the same size.
    """
    for step in range(steps_per_epoch(len(order), batch_size)):
        chosen = order[step * batch_size : (step + 1) * batch_size]
        filled = np.resize(chosen, world_size * -(-len(chosen) // world_size))
        yield examples.take(filled[rank::world_size])
