"""Ranking of rows by the probability of a class: ROC and precision-recall curves."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gadolin.metrics.scores import ratio

__all__ = ["Ranking", "precision_recall_points", "roc_points"]


class Ranking:
    """The rows of one class against the rest, sorted once by score, highest first.

    Made from ``scores`` (N,) float64 and ``positive`` (N,) bool; equal scores share one threshold.
    """

    __slots__ = ("_ends", "_order", "_positive", "_tied")

    def __init__(self, scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> None:
        self._order = np.argsort(-scores, kind="stable")
        ranked = scores[self._order]
        self._positive = positive[self._order].astype(np.float64)
        self._ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
        self._tied = len(self._ends) < len(ranked)

    def counts(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return true and false positives, each (B, T), at T falling thresholds, for weights (B, N)."""
        ranked = weights[:, self._order]
        total = ranked.cumsum(axis=1)
        ranked *= self._positive
        hits = ranked.cumsum(axis=1)
        if self._tied:
            total, hits = total[:, self._ends], hits[:, self._ends]
        total -= hits
        return hits, total

    def areas(self, weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return ROC-AUC and average precision, each (B,) in [0, 1], for weights (B, N) float64.

        ROC-AUC is the probability that a row of the class scores above one of the rest, ties counting half
        (Hanley and McNeil, 1982). Average precision sums precision over the steps of recall, without
        interpolation (Davis and Goadrich, 2006). NaN where a set of weights leaves no row of the class, or
        for ROC-AUC none of the rest.
        """
        hits, alarms = self.counts(weights)
        positives, negatives = hits[:, -1].copy(), alarms[:, -1].copy()
        gained = np.diff(hits, axis=1, prepend=0.0)
        predicted = hits + alarms
        share = np.divide(hits, predicted, out=np.zeros_like(hits), where=predicted > 0)
        precision = np.einsum("bt,bt->b", gained, share)
        gained *= 0.5
        above = np.einsum("bt,bt->b", np.diff(alarms, axis=1, prepend=0.0), hits - gained)
        return ratio(above, positives * negatives), ratio(precision, positives)


def roc_points(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return false and true positive rates, each (T + 1,) rising from 0 to 1 (Fawcett, 2006).

    Args:
        scores: (N,) float64, higher means more likely of the class.
        positive: (N,) bool, with rows of both kinds.
    """
    hits, alarms = Ranking(scores, positive).counts(np.ones((1, len(scores))))
    return np.append(0.0, alarms[0] / alarms[0, -1]), np.append(0.0, hits[0] / hits[0, -1])


def precision_recall_points(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return recall, rising to 1, and precision, each (T,), at each threshold.

    Args:
        scores: (N,) float64, higher means more likely of the class.
        positive: (N,) bool, with at least one row of the class.
    """
    hits, alarms = Ranking(scores, positive).counts(np.ones((1, len(scores))))
    return hits[0] / hits[0, -1], hits[0] / (hits[0] + alarms[0])
