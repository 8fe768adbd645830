"""Which superpixels are kept in which sample: designs that need fewer samples than random ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["balanced_pairs", "hadamard", "sized_pairs"]

Kept = NDArray[np.bool_]


def hadamard(order: int) -> NDArray[np.int8]:
    """Return Sylvester's Hadamard matrix (order, order) of +1 and -1; ``order`` is a power of 2."""
    matrix = np.ones((1, 1), np.int8)
    while len(matrix) < order:
        matrix = np.block([[matrix, matrix], [matrix, -matrix]]).astype(np.int8)
    return matrix


def balanced_pairs(samples: int, pieces: int, random: np.random.Generator) -> Kept:
    """Return (S, P) bool, S the largest even number up to ``samples``: half of the pieces kept, on average.

    The rows are those of folded Hadamard matrices (Plackett and Burman 1946), each with columns and signs shuffled.
    Within one matrix every pair of pieces is balanced, and each row is followed by its complement, so that interactions
    of pieces do not bias their individual effects.
    """
    order = 1 << pieces.bit_length()
    base = hadamard(order)
    blocks = []
    for _ in range(-(-samples // (2 * order))):
        columns = random.permutation(np.arange(1, order))[:pieces]
        signs = random.choice(np.array([-1, 1], np.int8), pieces)
        rows = (base[random.permutation(order)][:, columns] * signs) > 0
        blocks.append(np.stack([rows, ~rows], axis=1).reshape(-1, pieces))
    return np.concatenate([np.empty((0, pieces), np.bool_), *blocks])[: samples // 2 * 2]


def sized_pairs(samples: int, pieces: int, random: np.random.Generator) -> tuple[Kept, NDArray[np.float64]]:
    """Return (S, P) bool and the weight (S,) of each row in KernelSHAP's regression.

    Sizes from 1 to P - 1 occur equally often, in proportion to the leverage scores of that regression (Musco and Witter
    2025); they are spread evenly, not drawn. Each row is followed by its complement (Covert and Lee 2021).
    """
    pairs = samples // 2
    sizes = 1 + np.floor((np.arange(pairs) + random.random()) * (pieces - 1) / max(pairs, 1)).astype(np.int64)
    order = np.argsort(random.random((pairs, pieces)), axis=1)
    ranks = np.empty_like(order)
    np.put_along_axis(ranks, order, np.arange(pieces)[None], axis=1)
    kept = ranks < np.minimum(sizes, pieces - 1)[:, None]
    rows = np.stack([kept, ~kept], axis=1).reshape(-1, pieces)
    count = rows.sum(axis=1)
    return rows, 1.0 / (count * (pieces - count))
