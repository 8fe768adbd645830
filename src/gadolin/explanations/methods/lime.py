"""LIME: a linear model of the effect of each superpixel on the probability (Ribeiro, Singh and Guestrin, KDD 2016)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["kernel", "linear_model"]

_WIDTH = 0.25  # of the kernel, in cosine distance
_RIDGE = 1.0

Floats = NDArray[np.float64]


def kernel(kept: NDArray[np.bool_]) -> Floats:
    """Return the weight (S,) of each row of ``kept`` (S, P): near 1 if few pieces are removed.

    As in the package ``lime``: sqrt(exp(-(d / 0.25)^2)), d the cosine distance from the whole slice.
    """
    distance = 1 - np.sqrt(kept.mean(axis=1))
    return np.asarray(np.sqrt(np.exp(-((distance / _WIDTH) ** 2))))


def linear_model(kept: NDArray[np.bool_], answers: Floats, weights: Floats, *, ridge: float = _RIDGE) -> Floats:
    """Return the slopes (P,) of a weighted ridge regression, with intercept, of ``answers`` (S,) on ``kept`` (S, P)."""
    pieces = kept.astype(np.float64)
    share = weights / weights.sum()
    centred = pieces - share @ pieces
    weighted = (centred * weights[:, None]).T
    return np.asarray(np.linalg.solve(weighted @ centred + ridge * np.eye(len(weighted)), weighted @ answers))
