"""Difference of metrics between subsets: the effect of duplicates and known patients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.metrics.bootstrap import Interval, group_intervals
from gadolin.metrics.scores import accuracy, cells, f1, macro, recall
from gadolin.metrics.table import Table

__all__ = ["DIFFERENCE_FIGURES", "Difference", "part_differences"]

DIFFERENCE_FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")


@dataclass(frozen=True, slots=True)
class Difference:
    """The metrics of subset ``minuend`` minus those of ``subtrahend``, in [-1, 1], for DIFFERENCE_FIGURES."""

    minuend: str
    subtrahend: str
    figures: dict[str, Interval]

    def as_json(self) -> dict[str, object]:
        """Return the subsets and the differences as a JSON object."""
        figures = {name: one.as_json() for name, one in self.figures.items()}
        return {"minuend": self.minuend, "subtrahend": self.subtrahend, **figures}


def part_differences(table: Table, parts: Sequence[str], *, resamples: int, seed: int) -> tuple[Difference, ...]:
    """Return the metrics of the first of ``parts`` minus those of each other one.

    Intervals resample the groups of the whole table, so that groups with rows in both subsets are drawn for both.
    Subsets also differ in class mix; balanced accuracy and macro F1 weight all classes equally.
    """
    if len(parts) < 2:
        return ()
    classes = len(table.classes)
    one_hot = cells(table.truth, table.predicted, classes=classes)
    members = [np.array([part == name for part in table.parts]) for name in parts]
    present = [np.bincount(table.truth[rows], minlength=classes) > 0 for rows in members]

    def figures(weights: NDArray[np.float64], part: int) -> NDArray[np.float64]:
        rows = members[part]
        confusion = (weights[:, rows] @ one_hot[rows]).reshape(-1, classes, classes)
        means = [macro(figure, present[part]) for figure in (recall(confusion), f1(confusion))]
        return np.column_stack([accuracy(confusion), *means])

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        first = figures(weights, 0)
        return np.column_stack([first - figures(weights, part) for part in range(1, len(parts))])

    found = iter(group_intervals(statistic, table.groups, resamples=resamples, seed=seed))
    return tuple(Difference(parts[0], name, {key: next(found) for key in DIFFERENCE_FIGURES}) for name in parts[1:])
