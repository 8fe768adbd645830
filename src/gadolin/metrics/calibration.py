"""Calibration: whether predicted probabilities match observed frequencies."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.metrics.table import Table
from gadolin.models.tumour_scale import logistic

__all__ = [
    "BINS",
    "ReliabilityBin",
    "expected_calibration_error",
    "fit_logistic",
    "fit_temperature",
    "reliability",
]

BINS = 15
_LOWEST, _HIGHEST = math.log(0.05), math.log(20.0)
_PRIOR = 0.5  # prior standard deviation of the log temperature
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
_PRECISION = 1e-7
_NEWTON_STEPS = 200


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Rows with a confidence in (low, high]: their number, mean confidence and accuracy.

    ``confidence`` and ``accuracy`` are in [0, 1], or None in an empty bin.
    """

    low: float
    high: float
    n: int
    confidence: float | None
    accuracy: float | None


def reliability(table: Table, *, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """Sort rows by the confidence of the predicted class into ``bins`` bins of equal width over (0, 1].

    Raises DataError where ``bins`` is below 1.
    """
    if bins < 1:
        raise DataError(
            code="bins_out_of_range",
            rule="a reliability diagram needs at least one bin",
            got=f"got {bins}",
            remedy="15 is usual",
        )
    edges = np.linspace(0.0, 1.0, bins + 1)
    place = np.clip(np.searchsorted(edges, table.confidence, side="left") - 1, 0, bins - 1)
    counts = np.bincount(place, minlength=bins)
    sure = np.bincount(place, weights=table.confidence, minlength=bins)
    right = np.bincount(place, weights=table.correct, minlength=bins)
    return tuple(
        ReliabilityBin(
            low=float(edges[index]),
            high=float(edges[index + 1]),
            n=int(n),
            confidence=float(sure[index] / n) if n else None,
            accuracy=float(right[index] / n) if n else None,
        )
        for index, n in enumerate(counts)
    )


def expected_calibration_error(table: Table, *, bins: int = BINS) -> float:
    """Return the gap between confidence and accuracy, averaged over rows, in [0, 1]; 0 is perfect.

    For the predicted class only, over 15 bins of equal width by default (Naeini et al., 2015; Guo et al., "On
    Calibration of Modern Neural Networks", 2017). It is biased upwards where bins hold few rows.
    """
    gaps = (
        one.n * abs(one.accuracy - one.confidence)
        for one in reliability(table, bins=bins)
        if one.accuracy is not None and one.confidence is not None
    )
    return sum(gaps) / len(table)


def fit_temperature(logits: NDArray[np.floating], truth: NDArray[np.int64]) -> float:
    """Return the temperature that maximises the likelihood of softmax(logits / temperature) (Guo et al., 2017).

    A prior keeps it bounded for few rows, or for rows that are all correct: log temperature is normal around 0 with
    standard deviation 0.5, which weighs as much as one row and is negligible for hundreds. The loss has one minimum
    over log temperature, found by golden section search.

    Args:
        logits: (N, K) float, K at least 2, finite, of held-out data.
        truth: (N,) int64 in [0, K).

    Returns:
        A temperature in [0.05, 20]; above 1 means that the network was overconfident.

    Raises:
        DataError: Shapes do not fit, there is no row, a logit is not finite, or the truth is out of range.
    """
    values = np.asarray(logits, dtype=np.float64)
    _check_logits(values, truth)
    values = values - values.max(axis=1, keepdims=True)
    given = values[np.arange(len(truth)), truth]

    def loss(log_temperature: float) -> float:
        scale = math.exp(-log_temperature)
        likely = float(np.sum(np.log(np.exp(values * scale).sum(axis=1)) - given * scale))
        return likely + (log_temperature / _PRIOR) ** 2 / 2

    low, high = _LOWEST, _HIGHEST
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = loss(left), loss(right)
    while high - low > _PRECISION:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = loss(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = loss(right)
    return math.exp((low + high) / 2)


def fit_logistic(
    values: NDArray[np.floating],
    truth: NDArray[np.bool_],
    usual: tuple[float, float] = (1.0, 0.0),
    weights: NDArray[np.floating] | None = None,
) -> tuple[float, float]:
    """Return scale and offset that maximise the likelihood of 1 / (1 + exp(-(scale values + offset))) (Platt 1999).

    The prior is normal around the ``usual`` values with a standard deviation of 1 and weighs as much as one row.
    ``values`` (N,) are logits of held-out data, ``truth`` (N,) bool; rows count by ``weights`` (N,), by default 1 each.
    The scale is at least 0.05.
    """
    counts = np.ones(len(values)) if weights is None else weights.astype(np.float64)
    given = np.column_stack([values.astype(np.float64), np.ones(len(values))])
    prior = np.array(usual)
    line = prior.copy()
    for _ in range(_NEWTON_STEPS):
        likely = logistic(given @ line)
        slope = given.T @ (counts * (likely - truth)) + (line - prior)
        bend = (given * (counts * likely * (1 - likely))[:, None]).T @ given + np.eye(2)
        step = np.linalg.solve(bend, slope)
        step *= min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
        line = line - step
        if float(np.abs(step).max()) < _PRECISION:
            break
    return max(float(line[0]), 0.05), float(line[1])


def _check_logits(logits: NDArray[np.float64], truth: NDArray[np.int64]) -> None:
    if logits.ndim != 2 or logits.shape[1] < 2 or truth.shape != (len(logits),) or not len(logits):
        raise DataError(
            code="shape_mismatch",
            rule="logits must be (N, K) with K at least 2 and truth (N,) with N at least 1",
            got=f"got {logits.shape} and {truth.shape}",
            remedy="give one row of logits for each label",
        )
    if not np.isfinite(logits).all():
        raise DataError(
            code="logits_not_finite",
            rule="logits must be finite",
            got="got NaN or infinity",
            remedy="check the network for overflow",
        )
    if truth.min() < 0 or truth.max() >= logits.shape[1]:
        raise DataError(
            code="truth_out_of_range",
            rule=f"truth must lie in 0 to {logits.shape[1] - 1}",
            got=f"got {truth.min()} to {truth.max()}",
            remedy="use the class order of the network",
        )
