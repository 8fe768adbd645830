"""Metrics that are computed for many sets of row weights at once.

A class that is absent from the ground truth has no recall, precision, F1 or curve: its metric is NaN here and
None in a measurement, and macro means leave it out. Sums over rows are weighted, so that a resample is a row
of weights.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "accuracy",
    "brier",
    "cells",
    "confusion_matrix",
    "confusion_scores",
    "f1",
    "macro",
    "negative_log_likelihood",
    "precision",
    "ratio",
    "recall",
]

_SMALLEST = float(np.finfo(np.float64).eps)


def confusion_matrix(truth: NDArray[np.int64], predicted: NDArray[np.int64], *, classes: int) -> NDArray[np.int64]:
    """Count rows by true class (first axis) and predicted class (second axis).

    Args:
        truth: (N,) int64 in [0, classes).
        predicted: (N,) int64 in [0, classes).
        classes: Number of classes, K.

    Returns:
        (K, K) int64; its sum is N.
    """
    flat = np.bincount(truth * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes).astype(np.int64)


def cells(truth: NDArray[np.int64], predicted: NDArray[np.int64], *, classes: int) -> NDArray[np.float64]:
    """Return (N, K * K) float64: for each row a 1 in its cell of the flattened confusion matrix.

    ``weights @ cells`` for weights (B, N) is B weighted confusion matrices.
    """
    one_hot = np.zeros((len(truth), classes * classes))
    one_hot[np.arange(len(truth)), truth * classes + predicted] = 1.0
    return one_hot


def accuracy(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of correctly classified rows, (...) in [0, 1], of confusion matrices (..., K, K)."""
    return ratio(_diagonal(confusion).sum(axis=-1), confusion.sum(axis=(-2, -1)))


def recall(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each class's rows predicted as that class, (..., K) in [0, 1]; NaN where the class has no row.

    The macro mean is balanced accuracy (Brodersen et al., "The balanced accuracy and its posterior
    distribution", 2010).
    """
    return ratio(_diagonal(confusion), confusion.sum(axis=-1))


def precision(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of the rows predicted as each class that belong to it, (..., K) in [0, 1].

    NaN where the ground truth has no row of the class; 0 where it has some but the class is not predicted.
    """
    predicted = confusion.sum(axis=-2)
    value = ratio(_diagonal(confusion), np.where(predicted > 0, predicted, 1.0))
    return np.where(confusion.sum(axis=-1) > 0, value, np.nan)


def f1(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    """Harmonic mean of precision and recall, (..., K) in [0, 1]; NaN where the class has no row.

    Computed as 2 TP / (2 TP + FP + FN) (van Rijsbergen, "Information Retrieval", 1979). Its macro mean
    averages the F1 of the classes (Opitz and Burst, "Macro F1 and Macro F1", 2019).
    """
    support = confusion.sum(axis=-1)
    value = ratio(2 * _diagonal(confusion), support + confusion.sum(axis=-2))
    return np.where(support > 0, value, np.nan)


def macro(per_class: NDArray[np.float64], present: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Average figures (..., K) over the classes that ``present`` (K,) marks, to (...).

    NaN where one of those is NaN, so that a resample without a row of such a class does not count as one with
    fewer classes.
    """
    mean: NDArray[np.float64] = per_class[..., present].mean(axis=-1)
    return mean


def confusion_scores(
    confusion: NDArray[np.float64], present: NDArray[np.bool_]
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Return the figures of confusion matrices (B, K, K), where ``present`` (K,) marks the classes with rows.

    First accuracy, balanced accuracy, macro precision and macro F1, (B,) each; then precision, recall and F1 of each
    class, (B, K) each.
    """
    by_class = [precision(confusion), recall(confusion), f1(confusion)]
    macros = [macro(figure, present) for figure in by_class]
    return [accuracy(confusion), macros[1], macros[0], macros[2]], by_class


def brier(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Squared distance of each row from the ground truth, summed over classes (Brier, 1950).

    Args:
        probabilities: (N, K) float64, rows sum to 1.
        truth: (N,) int64 in [0, K).

    Returns:
        (N,) float64 in [0, 2]; the score is the mean. 0 is perfect.
    """
    target = np.eye(probabilities.shape[1])[truth]
    distance: NDArray[np.float64] = ((probabilities - target) ** 2).sum(axis=1)
    return distance


def negative_log_likelihood(probabilities: NDArray[np.float64], truth: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return minus the logarithm of the probability of the true class (Good, 1952), (N,) float64 >= 0.

    Probabilities (N, K) are clipped at 2.2e-16, so that one row cannot make the mean infinite.
    """
    given = probabilities[np.arange(len(truth)), truth]
    return np.asarray(-np.log(np.clip(given, _SMALLEST, 1.0)))


def _diagonal(confusion: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.diagonal(confusion, axis1=-2, axis2=-1))


def ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """Divide two arrays of one shape; NaN where there is nothing to divide by (``below`` is 0)."""
    quotient: NDArray[np.float64] = np.full(np.shape(below), np.nan)
    return np.divide(above, below, out=quotient, where=below > 0)
