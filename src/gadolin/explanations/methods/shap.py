"""Shapley values of the superpixels of a slice by KernelSHAP (Lundberg and Lee, NeurIPS 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["shapley_values"]

Floats = NDArray[np.float64]


def shapley_values(kept: NDArray[np.bool_], answers: Floats, weights: Floats, ends: tuple[float, float]) -> Floats:
    """Return the Shapley values (P,) from ``answers`` (S,), the probabilities for the subsets ``kept`` (S, P).

    No subset is empty or whole. The weighted regression of KernelSHAP with its constraint substituted: the values sum
    exactly to ``ends[1] - ends[0]``, the probabilities for the whole slice and for none of it.
    """
    none, whole = ends
    pieces = kept.astype(np.float64)
    total = whole - none
    rest = pieces[:, :-1] - pieces[:, -1:]
    response = answers - none - pieces[:, -1] * total
    weighted = rest * weights[:, None]
    first = np.linalg.lstsq(weighted.T @ rest, weighted.T @ response, rcond=None)[0]
    return np.append(first, total - first.sum())
