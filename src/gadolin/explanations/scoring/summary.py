"""From scored rows to the table of methods: by class, by size of the lesion, right and wrong answers apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gadolin.explanations.scoring.score import SIZES, Row, figures
from gadolin.metrics.bootstrap import Interval

__all__ = ["Line", "by_method_and_class", "summarise"]

BEATEN_BY = "centre"
"""The prior that a method must beat to tell anything."""


@dataclass(frozen=True, slots=True)
class Line:
    """One method on some slices: ``of`` and ``value`` say which ("all", "class", "size", "answer").

    ``figures`` maps each of MEASURES, and of FAITHFUL where a slice has them, to its mean with an interval by person;
    ``below_prior`` tells whether the hottest pixel lies in the lesion no more often than the middle of the head does,
    on the same slices.
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
        told = {name: one.as_json() for name, one in self.figures.items()}
        head = {"method": self.method, "of": self.of, "value": self.value, "n": self.n, "groups": self.groups}
        return head | told | {"below_prior": self.below_prior}


def summarise(rows: Sequence[Row]) -> list[Line]:
    """Return the lines of every method over all slices, each class, each size, and right and wrong answers."""
    priors = {row.name: row.scores[0] for row in rows if row.method == BEATEN_BY}
    lines = []
    for method in dict.fromkeys(row.method for row in rows):
        own = [row for row in rows if row.method == method]
        for of, value, chosen in _cuts(own):
            beside = [priors[row.name] for row in chosen if row.name in priors]
            told = figures(chosen)
            pointing = told["pointing"].value or 0.0
            below = bool(beside) and method != BEATEN_BY and pointing <= sum(beside) / len(beside)
            groups = len({row.group for row in chosen})
            lines.append(Line(method, of, value, len(chosen), groups, told, below))
    return lines


def by_method_and_class(rows: Sequence[Row], lines: Sequence[Line]) -> dict[str, dict[str, dict[str, Any]]]:
    """Return the mean measures of each method for each named class, as a bundle keeps them.

    ``sizes`` holds of each size of lesion the number of slices and how often the hottest pixel lay in it.
    """
    kept: dict[str, dict[str, dict[str, Any]]] = {}
    for line in lines:
        if line.of == "class":
            means = {name: round(one.value or 0.0, 4) for name, one in line.figures.items()}
            named = [row for row in rows if (row.method, row.predicted) == (line.method, line.value)]
            hits = {size: [row.scores[0] for row in named if row.size == size] for size in SIZES}
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
