"""Comparison of two models on the same slices: difference, interval and McNemar's test."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from html import escape

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.metrics.bootstrap import RESAMPLES, Interval, Statistic, paired_intervals
from gadolin.metrics.mcnemar import mcnemar
from gadolin.metrics.scores import accuracy, cells, f1, macro
from gadolin.metrics.table import Table

__all__ = ["Comparison", "compare"]

_Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Result of :func:`compare`; every difference is b minus a.

    ``matched_by`` is "digest" or "path"; ``common`` slices in ``groups`` groups are in both tables, ``only_a`` and
    ``only_b`` in one. ``accuracy`` and ``macro_f1`` are differences in [-1, 1] with intervals. ``correct_a`` and
    ``correct_b`` count correctly classified common slices; ``only_a_correct`` and ``only_b_correct`` the slices that
    only one model classified correctly, with McNemar's ``p_value``. The p value treats slices as independent; prefer
    the intervals, which resample groups.
    """

    matched_by: str
    common: int
    groups: int
    only_a: int
    only_b: int
    correct_a: int
    correct_b: int
    accuracy: Interval
    macro_f1: Interval
    only_a_correct: int
    only_b_correct: int
    p_value: float

    def _repr_html_(self) -> str:
        """Return the verdict, for notebooks."""
        return f"<p>{escape(self.verdict)}</p>"

    @property
    def verdict(self) -> str:
        """One sentence: which model is better, or that no difference is shown."""
        low, high = self.accuracy.low, self.accuracy.high
        counts = f"b classifies {self.correct_b} and a {self.correct_a} of {self.common} common slices correctly"
        if self.only_a_correct == self.only_b_correct == 0:
            return f"No difference is shown: {counts}, the same ones."
        if low is None or high is None:
            chance = f"McNemar p = {self.p_value:.2g}"
            return f"No verdict: {counts}; {self.groups} groups give no interval ({chance})."
        shift = 100 * (self.correct_b - self.correct_a) / self.common
        detail = (
            f"{counts} (difference {shift:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}; "
            f"McNemar p = {self.p_value:.2g})"
        )
        if low > 0:
            return f"b is better: {detail}."
        if high < 0:
            return f"a is better: {detail}."
        return f"No difference is shown: {detail}."

    def as_json(self) -> dict[str, object]:
        """Return everything as a JSON object; a and b are the first and the second table."""
        return {
            "matched_by": self.matched_by,
            "n": self.common,
            "groups": self.groups,
            "only_in_a": self.only_a,
            "only_in_b": self.only_b,
            "correct_a": self.correct_a,
            "correct_b": self.correct_b,
            "accuracy_difference": self.accuracy.as_json(),
            "macro_f1_difference": self.macro_f1.as_json(),
            "mcnemar": {
                "only_a_correct": self.only_a_correct,
                "only_b_correct": self.only_b_correct,
                "p_value": self.p_value,
            },
            "verdict": self.verdict,
        }


def compare(a: Table, b: Table, *, resamples: int = RESAMPLES, seed: int = 0) -> Comparison:
    """Compare two tables slice by slice.

    Slices are matched by digest if every row of both tables has one, else by path; equal keys are matched
    in order of path. The order of classes may differ. Groups are those of ``a``.

    Args:
        a: The first table of predictions.
        b: The second one; differences are b minus a.
        resamples: Draws per interval.
        seed: Random seed of the draws.

    Raises:
        DataError: The classes differ, no slice is in both, or the labels of a common slice disagree.
        RequestError: ``resamples`` is negative.
    """
    first, second, matched_by = _align(a, _reordered(b, a.classes))
    right_a, right_b = first.correct, second.correct
    only_a_correct, only_b_correct = int(np.sum(right_a & ~right_b)), int(np.sum(right_b & ~right_a))
    shift, shift_f1 = paired_intervals(
        _statistic(first), _statistic(second), first.groups, resamples=resamples, seed=seed
    )
    return Comparison(
        matched_by=matched_by,
        common=len(first),
        groups=len(set(first.groups)),
        only_a=len(a) - len(first),
        only_b=len(b) - len(first),
        correct_a=int(right_a.sum()),
        correct_b=int(right_b.sum()),
        accuracy=shift,
        macro_f1=shift_f1,
        only_a_correct=only_a_correct,
        only_b_correct=only_b_correct,
        p_value=mcnemar(only_a_correct, only_b_correct),
    )


def _reordered(table: Table, classes: tuple[str, ...]) -> Table:
    if set(table.classes) != set(classes):
        raise DataError(
            code="classes_differ",
            rule="two tables need the same classes",
            got=f"got {', '.join(classes)} and {', '.join(table.classes)}",
            remedy="compare models of one task",
        )
    place = np.asarray([classes.index(name) for name in table.classes])
    columns = [table.classes.index(name) for name in classes]
    return replace(table, classes=classes, probabilities=table.probabilities[:, columns], truth=place[table.truth])


def _align(a: Table, b: Table) -> tuple[Table, Table, str]:
    matched_by = "digest" if all(a.digests) and all(b.digests) else "path"
    rows_a, rows_b = _keys(a, matched_by), _keys(b, matched_by)
    common = sorted(rows_a.keys() & rows_b.keys())
    if not common:
        raise DataError(
            code="no_common_slices",
            rule="two tables must share slices",
            got=f"the {len(a)} and {len(b)} rows have no {matched_by} in common",
            remedy="evaluate both models on the same folder",
        )
    first = a.only(np.asarray([rows_a[key] for key in common]))
    second = b.only(np.asarray([rows_b[key] for key in common]))
    disagree = np.flatnonzero(first.truth != second.truth)
    if disagree.size:
        row = int(disagree[0])
        labels = (first.classes[first.truth[row]], second.classes[second.truth[row]])
        raise DataError(
            code="truth_differs",
            rule="both tables must have the same ground truth",
            got=(
                f"{disagree.size} of {len(first)} common slices do not: {first.paths[row]} is "
                f"{labels[0]!r} and {labels[1]!r}"
            ),
            remedy="evaluate both on the same labels",
        )
    return first, second, matched_by


def _keys(table: Table, matched_by: str) -> dict[_Key, int]:
    names = table.digests if matched_by == "digest" else table.paths
    seen: Counter[str] = Counter()
    keys: dict[_Key, int] = {}
    for row in sorted(range(len(table)), key=table.paths.__getitem__):
        keys[names[row], seen[names[row]]] = row
        seen[names[row]] += 1
    return keys


def _statistic(table: Table) -> Statistic:
    classes = len(table.classes)
    present = np.bincount(table.truth, minlength=classes) > 0
    per_row = cells(table.truth, table.predicted, classes=classes)

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        confusion = (weights @ per_row).reshape(-1, classes, classes)
        return np.column_stack([accuracy(confusion), macro(f1(confusion), present)])

    return statistic
