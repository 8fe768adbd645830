"""Metrics from sums over the rows of each group, for tables that are too large to hold.

Intervals resample groups, so the sums of each group are all that they need: the same groups, resamples and seed give
the same intervals as :func:`gadolin.metrics.measure` of the whole table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.metrics.bootstrap import LEVEL, RESAMPLES, Interval, exact_if_unanimous, group_intervals
from gadolin.metrics.scores import confusion_scores, ratio
from gadolin.records import JSON_FORMAT

__all__ = ["ANSWER_FIGURES", "CLASS_FIGURES", "FIGURES", "GroupMeasurement", "GroupSums", "measure_groups"]

FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
    "brier",
    "nll",
)
ANSWER_FIGURES = ("coverage", "selective_accuracy")
"""The share of rows that the model answered, and the accuracy of these."""
CLASS_FIGURES = ("precision", "recall", "f1")


@dataclass(frozen=True, slots=True, eq=False)
class GroupSums:
    """Sums over the rows of G groups, for K classes; G is at least 1.

    ``groups`` are the names of the groups, sorted, each once. ``confusion`` (G, K, K) float64 counts rows by true and
    most probable class; ``brier`` and ``nll`` (G,) float64 are sums of the losses of rows, ``answered`` and ``correct``
    (G,) float64 count the rows that the model answered, and those that it answered rightly.
    """

    classes: tuple[str, ...]
    groups: Sequence[str]
    confusion: NDArray[np.float64]
    brier: NDArray[np.float64]
    nll: NDArray[np.float64]
    answered: NDArray[np.float64]
    correct: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Check the shapes."""
        count, classes = len(self.groups), len(self.classes)
        shapes = {self.brier.shape, self.nll.shape, self.answered.shape, self.correct.shape}
        if not count or self.confusion.shape != (count, classes, classes) or shapes != {(count,)}:
            raise DataError(
                code="shape_mismatch",
                rule="the sums must have one entry for each of one group or more",
                got=f"got {count} groups and {self.confusion.shape}",
            )


@dataclass(frozen=True, slots=True)
class GroupMeasurement:
    """The metrics of ``n`` rows in ``groups`` groups: an interval for each of FIGURES, and of CLASS_FIGURES by class.

    ``answered`` rows have an answer of the model, ``correct`` of these are right; ``answers`` has ANSWER_FIGURES.

    ``confusion`` counts rows by true class (outer) and most probable class (inner).
    """

    classes: tuple[str, ...]
    n: int
    groups: int
    figures: Mapping[str, Interval]
    answered: int
    correct: int
    answers: Mapping[str, Interval]
    per_class: Mapping[str, Mapping[str, Interval]]
    confusion: tuple[tuple[int, ...], ...]
    resamples: int
    seed: int

    def as_json(self) -> dict[str, object]:
        """Return the metrics as a JSON object."""
        return {
            "format": JSON_FORMAT,
            "classes": list(self.classes),
            "resamples": self.resamples,
            "seed": self.seed,
            "level": LEVEL,
            "n": self.n,
            "groups": self.groups,
            **{name: one.as_json() for name, one in self.figures.items()},
            "per_class": {
                name: {key: one.as_json() for key, one in figures.items()} for name, figures in self.per_class.items()
            },
            "confusion_matrix": [list(row) for row in self.confusion],
            "abstention": {
                "answered": self.answered,
                "correct": self.correct,
                **{name: one.as_json() for name, one in self.answers.items()},
            },
        }


def measure_groups(sums: GroupSums, *, resamples: int = RESAMPLES, seed: int = 0) -> GroupMeasurement:
    """Return the metrics with 95 % intervals that resample groups.

    Args:
        sums: Sums of each group.
        resamples: Draws per interval; 0 gives metrics without intervals.
        seed: Random seed of the draws.
    """
    classes = len(sums.classes)
    flat = sums.confusion.reshape(len(sums.groups), classes * classes)
    columns = np.column_stack([flat, sums.brier, sums.nll, sums.answered, sums.correct])
    total = sums.confusion.sum(axis=0)
    present = total.sum(axis=1) > 0

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        added = weights @ columns
        confusion = added[:, : classes * classes].reshape(-1, classes, classes)
        squared, negative, answered, correct = added[:, classes * classes :].T
        rows = confusion.sum(axis=(1, 2))
        overall, by_class = confusion_scores(confusion, present)
        means = [ratio(squared, rows), ratio(negative, rows), ratio(answered, rows), ratio(correct, answered)]
        return np.column_stack([*overall, *means, *by_class])

    found = iter(group_intervals(statistic, sums.groups, resamples=resamples, seed=seed))
    figures, answers = ({name: next(found) for name in names} for names in (FIGURES, ANSWER_FIGURES))
    by_figure = {name: [next(found) for _ in sums.classes] for name in CLASS_FIGURES}
    if resamples:
        every = np.ones(len(sums.groups), np.bool_)
        members = {"recall": sums.confusion.sum(axis=2) > 0, "precision": sums.confusion.sum(axis=1) > 0}
        figures["accuracy"] = exact_if_unanimous(figures["accuracy"], sums.groups, every)
        for name, rows in (("coverage", every), ("selective_accuracy", sums.answered > 0)):
            answers[name] = exact_if_unanimous(answers[name], sums.groups, rows)
        for name, member in members.items():
            by_figure[name] = [
                exact_if_unanimous(one, sums.groups, member[:, k]) for k, one in enumerate(by_figure[name])
            ]
    return GroupMeasurement(
        sums.classes,
        int(total.sum()),
        len(sums.groups),
        figures,
        int(sums.answered.sum()),
        int(sums.correct.sum()),
        answers,
        {name: {key: by_figure[key][k] for key in CLASS_FIGURES} for k, name in enumerate(sums.classes)},
        tuple(tuple(int(count) for count in row) for row in total),
        resamples,
        seed,
    )
