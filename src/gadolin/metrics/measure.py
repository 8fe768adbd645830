"""All metrics of a table of predictions, overall and for each subset, with n and an interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.metrics.abstention import Abstention, measure_abstention
from gadolin.metrics.bootstrap import LEVEL, RESAMPLES, Interval, Statistic, exact_if_unanimous, group_intervals
from gadolin.metrics.calibration import expected_calibration_error
from gadolin.metrics.differences import Difference, part_differences
from gadolin.metrics.ranking import Ranking
from gadolin.metrics.scores import (
    brier,
    cells,
    confusion_matrix,
    confusion_scores,
    macro,
    negative_log_likelihood,
    ratio,
)
from gadolin.metrics.selective import selective_statistic
from gadolin.metrics.table import Table
from gadolin.records import JSON_FORMAT
from gadolin.splits import SUBSETS

__all__ = [
    "ALL",
    "CLASS_FIGURES",
    "FIGURES",
    "KNOWN_PARTS",
    "MINIMUM_ROWS",
    "ClassScores",
    "Measurement",
    "Scores",
    "Unscored",
    "measure",
]

ALL = "all"
UNNAMED = "unnamed"
KNOWN_PARTS = SUBSETS
"""Duplicates of training slices; new slices of training patients, of unknown patients, of new patients."""

MINIMUM_ROWS = 20
CLASS_FIGURES = ("precision", "recall", "f1", "roc_auc", "average_precision")
FIGURES = (
    "accuracy",
    "balanced_accuracy",
    "macro_precision",
    "macro_f1",
    "macro_roc_auc",
    "macro_average_precision",
    "brier",
    "nll",
    "selective_accuracy",
    "coverage",
    "ece",
)


@dataclass(frozen=True, slots=True)
class ClassScores:
    """One class against the rest: its ``n`` rows in the ground truth, an interval for each of CLASS_FIGURES."""

    n: int
    figures: Mapping[str, Interval]

    def as_json(self) -> dict[str, object]:
        """Return n and the metrics as a JSON object."""
        return {"n": self.n, **{name: one.as_json() for name, one in self.figures.items()}}


@dataclass(frozen=True, slots=True)
class Scores:
    """The metrics of ``n`` rows in ``groups`` groups.

    ``figures`` holds an interval for each of FIGURES, ``per_class`` the scores by class name; ``confusion``
    counts rows by true class (outer) and predicted class (inner) in the order of the classes. These are of the most
    probable class of every row; ``abstention`` is of the answered rows, None if the table has no decisions.
    """

    n: int
    groups: int
    figures: Mapping[str, Interval]
    per_class: Mapping[str, ClassScores]
    confusion: tuple[tuple[int, ...], ...]
    abstention: Abstention | None = None

    @property
    def correct(self) -> int:
        """Number of correctly classified rows."""
        return sum(row[index] for index, row in enumerate(self.confusion))

    def as_json(self) -> dict[str, object]:
        """Return everything as a JSON object, with ``scored`` true."""
        return {
            "n": self.n,
            "groups": self.groups,
            "scored": True,
            **{name: one.as_json() for name, one in self.figures.items()},
            "per_class": {name: one.as_json() for name, one in self.per_class.items()},
            "confusion_matrix": [list(row) for row in self.confusion],
            "abstention": self.abstention and self.abstention.as_json(),
        }


@dataclass(frozen=True, slots=True)
class Unscored:
    """A subset of ``n`` rows that is too small to score, with the ``reason`` in words."""

    n: int
    reason: str

    def as_json(self) -> dict[str, object]:
        """Return n, ``scored`` false and the reason as a JSON object."""
        return {"n": self.n, "scored": False, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Measurement:
    """Result of :func:`measure`; ``parts`` holds "all" first, then every subset.

    ``differences`` are those between the first scored one of KNOWN_PARTS and each later one.
    """

    classes: tuple[str, ...]
    parts: Mapping[str, Scores | Unscored]
    overall: Scores
    resamples: int
    seed: int
    differences: tuple[Difference, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return the content of ``metrics.json``: the metrics of all rows, then those of each subset."""
        head = {
            "format": JSON_FORMAT,
            "classes": list(self.classes),
            "resamples": self.resamples,
            "seed": self.seed,
            "level": LEVEL,
        }
        parts = {name: one.as_json() for name, one in self.parts.items()}
        differences = [one.as_json() for one in self.differences]
        return head | self.overall.as_json() | {"subsets": parts, "differences": differences}


def measure(table: Table, *, resamples: int = RESAMPLES, seed: int = 0) -> Measurement:
    """Measure all rows, and each subset of at least 20 rows.

    If any row has a part, all of KNOWN_PARTS are listed, also without rows, and rows without a part are listed
    as "unnamed". Intervals resample ``table.groups``; an accuracy, recall or precision of 0 or 1 has the exact
    interval over groups instead. The expected calibration error has no interval, because resampling biases it
    upwards, nor has the coverage, because it is a maximum and not smooth.

    Args:
        table: N rows of predictions and ground truth.
        resamples: Draws per interval; 0 gives metrics without intervals, fast.
        seed: Random seed of the draws.

    Raises:
        DataError: A part is called "all" or "unnamed".
        RequestError: ``resamples`` is negative.
    """
    named = {name for name in table.parts if name}
    if named & {ALL, UNNAMED}:
        raise DataError(
            code="part_name_reserved",
            rule=f"a part may not be called {ALL!r} or {UNNAMED!r}",
            got=f"got {sorted(named)}",
            remedy="choose another name",
        )
    overall = _scores(table, resamples, seed)
    parts: dict[str, Scores | Unscored] = {ALL: overall}
    if named:
        listed = [*KNOWN_PARTS, *sorted(named - set(KNOWN_PARTS))]
        for name in [*listed, ""] if "" in table.parts else listed:
            parts[name or UNNAMED] = _part(table, name, resamples, seed)
    scored = [name for name in KNOWN_PARTS if isinstance(parts.get(name), Scores)]
    differences = part_differences(table, scored, resamples=resamples, seed=seed)
    return Measurement(table.classes, parts, overall, resamples, seed, differences)


def _part(table: Table, name: str, resamples: int, seed: int) -> Scores | Unscored:
    rows = table.parts.count(name)
    if rows == 0:
        return Unscored(0, "no slices")
    if rows < MINIMUM_ROWS:
        return Unscored(rows, f"too few slices: {rows}, at least {MINIMUM_ROWS} needed")
    return _scores(table.part(name), resamples, seed)


def _scores(table: Table, resamples: int, seed: int) -> Scores:
    found = iter(group_intervals(_statistic(table), table.groups, resamples=resamples, seed=seed))
    figures = {name: next(found) for name in FIGURES if name != "ece"}
    figures["coverage"] = Interval(figures["coverage"].value)
    figures["ece"] = Interval(expected_calibration_error(table))
    by_figure = {name: [next(found) for _ in table.classes] for name in CLASS_FIGURES}
    if resamples:
        everywhere = np.zeros_like(table.truth)
        figures["accuracy"] = exact_if_unanimous(figures["accuracy"], table.groups, everywhere == 0)
        for name, member in (("recall", table.truth), ("precision", table.predicted)):
            by_figure[name] = [
                exact_if_unanimous(one, table.groups, member == k) for k, one in enumerate(by_figure[name])
            ]
    support = np.bincount(table.truth, minlength=len(table.classes))
    confusion = confusion_matrix(table.truth, table.predicted, classes=len(table.classes))
    return Scores(
        n=len(table),
        groups=len(set(table.groups)),
        figures=figures,
        per_class={
            name: ClassScores(int(support[index]), {key: by_figure[key][index] for key in CLASS_FIGURES})
            for index, name in enumerate(table.classes)
        },
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        abstention=measure_abstention(table, resamples=resamples, seed=seed),
    )


def _statistic(table: Table) -> Statistic:
    # Returns FIGURES without "ece", then each of CLASS_FIGURES for every class.
    classes = len(table.classes)
    present = np.bincount(table.truth, minlength=classes) > 0
    losses = [
        brier(table.probabilities, table.truth),
        negative_log_likelihood(table.probabilities, table.truth),
    ]
    per_row = np.column_stack([cells(table.truth, table.predicted, classes=classes), *losses])
    selective = selective_statistic(table)
    rankings = [Ranking(table.probabilities[:, index], table.truth == index) for index in range(classes)]

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = weights @ per_row
        confusion = sums[:, :-2].reshape(-1, classes, classes)
        areas = [ranking.areas(weights) for ranking in rankings]
        roc = np.stack([one for one, _ in areas], axis=1)
        average = np.stack([one for _, one in areas], axis=1)
        overall, by_class = confusion_scores(confusion, present)
        ranked = [macro(one, present) for one in (roc, average)]
        total = weights.sum(axis=1)
        means = [ratio(sums[:, column], total) for column in (-2, -1)]
        return np.column_stack([*overall, *ranked, *means, selective(weights), *by_class, roc, average])

    return statistic
