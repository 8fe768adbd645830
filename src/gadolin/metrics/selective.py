"""Selective prediction: accuracy and coverage of a model that abstains at low confidence."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.metrics.bootstrap import Statistic
from gadolin.metrics.table import Table

__all__ = [
    "AIMED_ACCURACY",
    "ANSWERED",
    "RiskCoverage",
    "fit_confidence_threshold",
    "risk_coverage",
    "selective_statistic",
]

AIMED_ACCURACY = 0.99
ANSWERED = 0.90
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class RiskCoverage:
    """Error rate against coverage, with one entry per distinct confidence in decreasing order.

    ``thresholds`` (T,) are confidences; ``coverage`` (T,) is the share of rows answered at or above each,
    ``risk`` (T,) the error rate among them. ``area`` is the risk averaged over coverage: lower is better.
    """

    thresholds: NDArray[np.float64]
    coverage: NDArray[np.float64]
    risk: NDArray[np.float64]
    area: float


def risk_coverage(table: Table) -> RiskCoverage:
    """Return the risk at every coverage (El-Yaniv and Wiener, 2010; Geifman and El-Yaniv, 2017).

    Rows of equal confidence are answered together.
    """
    order = np.argsort(-table.confidence, kind="stable")
    ranked = table.confidence[order]
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    answered = ends + 1.0
    wrong = np.cumsum(~table.correct[order])[ends]
    coverage, risk = answered / len(ranked), wrong / answered
    area = float(np.sum(risk * np.diff(coverage, prepend=0.0)))
    return RiskCoverage(thresholds=ranked[ends], coverage=coverage, risk=risk, area=area)


def fit_confidence_threshold(
    likely: NDArray[np.floating], truth: NDArray[np.integer], weights: NDArray[np.floating] | None = None
) -> float:
    """Return the confidence threshold below which a model should abstain, fitted on held-out slices.

    Takes probabilities (N, K) and class indices (N,). Returns the lowest threshold with a selective accuracy of
    ``AIMED_ACCURACY``, but with a coverage of at least ``ANSWERED``. ``weights`` (N,) are sample weights, by default 1.
    """
    sure, right = likely.max(axis=1), likely.argmax(axis=1) == truth
    order = np.argsort(-sure)
    counts = np.ones(len(order)) if weights is None else weights[order].astype(np.float64)
    whole = np.cumsum(counts)
    enough = np.flatnonzero(np.cumsum(counts * right[order]) / whole >= AIMED_ACCURACY)
    fewest = int(np.searchsorted(whole, ANSWERED * whole[-1] - _ROUNDING))
    answered = max(int(enough[-1]) if len(enough) else 0, fewest) + 1
    return 0.0 if answered == len(order) else math.floor(1e4 * float(sure[order][answered - 1])) / 1e4


def selective_statistic(table: Table) -> Statistic:
    """Return the statistic of two metrics of abstention: row weights (B, N) to (B, 2), each in [0, 1].

    The selective accuracy at a coverage of ``ANSWERED``, and the largest coverage with a selective accuracy of
    ``AIMED_ACCURACY``, 0 where there is none. Rows of equal confidence are answered together.
    """
    order = np.argsort(-table.confidence, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(table.confidence[order])), len(order) - 1)
    right = table.correct[order].astype(np.float64)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        ranked = weights[:, order]
        answered = np.cumsum(ranked, axis=1)[:, ends]
        coverage = answered / answered[:, -1:]
        accuracy = np.cumsum(ranked * right, axis=1)[:, ends] / np.maximum(answered, 1e-12)
        enough = (coverage >= ANSWERED - 1e-12).argmax(axis=1)
        at_answered = np.take_along_axis(accuracy, enough[:, None], axis=1)[:, 0]
        aimed = np.where((accuracy >= AIMED_ACCURACY) & (answered > 0), coverage, 0.0).max(axis=1)
        return np.column_stack([at_answered, aimed])

    return statistic
