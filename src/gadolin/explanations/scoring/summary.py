"""Summarise scored rows by method: by class, by lesion size, and by correct and wrong predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gadolin.explanations.scoring.score import SIZES, Row, figures
from gadolin.metrics.bootstrap import Interval

__all__ = ["Line", "by_method_and_class", "summarise"]

BEATEN_BY = "centre"
"""The prior that a method must beat to be informative."""


@dataclass(frozen=True, slots=True)
class Line:
    """One method on a subset of the slices, given by ``of`` ("all", "class", "size", "answer") and ``value``.

    ``figures`` maps each of MEASURES and, where computed, FAITHFUL to its mean with an interval by patient.
    ``below_prior``: the hottest pixel is in the lesion no more often than the centre of the head, on the same slices.
    """

    method: str
    of: str
    value: str
    n: int
    groups: int
    figures: Mapping[str, Interval]
    below_prior: bool

    def as_json(self) -> dict[str, Any]:
        """Return every field, the figures with their intervals."""
        means = {name: one.as_json() for name, one in self.figures.items()}
        head = {"method": self.method, "of": self.of, "value": self.value, "n": self.n, "groups": self.groups}
        return head | means | {"below_prior": self.below_prior}


def summarise(rows: Sequence[Row]) -> list[Line]:
    """Return the lines of every method over all slices, each class, each size, and correct and wrong predictions."""
    priors = {row.name: row.scores[0] for row in rows if row.method == BEATEN_BY}
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        by_method = [row for row in rows if row.method == method]
        for of, value, chosen in _cuts(by_method):
            beside = [priors[row.name] for row in chosen if row.name in priors]
            means = figures(chosen)
            pointing = means["pointing"].value or 0.0
            below = bool(beside) and method != BEATEN_BY and pointing <= sum(beside) / len(beside)
            groups = len({row.group for row in chosen})
            lines.append(Line(method, of, value, len(chosen), groups, means, below))
    return lines


def by_method_and_class(rows: Sequence[Row], lines: Sequence[Line]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the mean measures of each method for each predicted class, as stored in a bundle.

    ``sizes`` has the number of slices and the pointing accuracy for each lesion size.
    """
    kept: dict[str, dict[str, dict[str, Any]]] = {}
    for line in lines:
        if line.of == "class":
            means = {name: round(one.value or 0.0, 4) for name, one in line.figures.items()}
            predicted = [row for row in rows if (row.method, row.predicted) == (line.method, line.value)]
            hits = {size: [row.scores[0] for row in predicted if row.size == size] for size in SIZES}
            sizes = {size: {"n": len(hit), "pointing": round(fmean(hit), 4)} for size, hit in hits.items() if hit}
            kept.setdefault(line.method, {})[line.value] = {"n": line.n, **means, "sizes": sizes}
    return kept


def _cuts(rows: Sequence[Row]) -> Iterator[tuple[str, str, list[Row]]]:
    yield "all", "all", list(rows)
    cuts: tuple[tuple[str, Callable[[Row], str], Sequence[str]], ...] = (
        ("class", lambda row: row.predicted, sorted({row.predicted for row in rows})),
        ("size", lambda row: row.size, SIZES),
        ("answer", lambda row: "right" if row.right else "wrong", ("right", "wrong")),
    )
    for of, key, values in cuts:
        for value in values:
            chosen = [row for row in rows if key(row) == value]
            if chosen:
                yield of, value, chosen
