"""Measures of a model that may abstain: how often it answers, and how often its answers are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.labels import is_without_lesion, lesion_classes
from gadolin.metrics.bootstrap import Interval, exact_if_unanimous, group_intervals
from gadolin.metrics.decisions import Decisions
from gadolin.metrics.scores import ratio
from gadolin.metrics.table import Table
from gadolin.models.decision import TUMOUR_SUSPECTED

__all__ = ["ALL", "NO_TUMOUR", "TUMOUR", "Abstention", "Answers", "measure_abstention"]

ALL, TUMOUR, NO_TUMOUR = "all", "tumour", "notumor"

Rows = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to one question on ``n`` slices: ``answered`` of them, ``correct`` of these.

    ``coverage`` is answered / n and ``selective_accuracy`` correct / answered, with intervals.
    """

    n: int
    answered: int
    correct: int
    coverage: Interval
    selective_accuracy: Interval

    @property
    def declined(self) -> int:
        """Number of slices without an answer."""
        return self.n - self.answered

    def as_json(self) -> dict[str, object]:
        """Return counts and metrics as a JSON object."""
        counts = {"n": self.n, "answered": self.answered, "correct": self.correct, "declined": self.declined}
        return counts | {"coverage": self.coverage.as_json(), "selective_accuracy": self.selective_accuracy.as_json()}


@dataclass(frozen=True, slots=True)
class Abstention(Answers):
    """The answers on the class of a slice.

    ``reasons`` counts the declined slices by code, the most frequent first; ``per_class`` holds the answers by true
    class. A model that predicts tumour and kind separately has two more questions, None for other models: ``tumour``,
    whether a slice shows one, of "all" slices and of those with TUMOUR and NO_TUMOUR in truth; and ``kind``, of the
    tumours that it found, "all" and by true class.
    """

    reasons: Mapping[str, int] = field(default_factory=dict)
    per_class: Mapping[str, Answers] = field(default_factory=dict)
    tumour: Mapping[str, Answers] | None = None
    kind: Mapping[str, Answers] | None = None

    def as_json(self) -> dict[str, object]:
        """Return counts, metrics and the answers to each question as a JSON object."""
        questions = {name: getattr(self, name) for name in ("per_class", "tumour", "kind")}
        return {
            **Answers.as_json(self),
            "reasons": dict(self.reasons),
            **{name: of and {key: one.as_json() for key, one in of.items()} for name, of in questions.items()},
        }


@dataclass(frozen=True, slots=True)
class _Question:
    """Rows (N,) that are asked about, that have an answer, and whose answer is right."""

    asked: Rows
    answered: Rows
    correct: Rows

    def of(self, rows: Rows) -> _Question:
        """Return the question on some of the rows."""
        return _Question(self.asked & rows, self.answered & rows, self.correct & rows)


def measure_abstention(table: Table, *, resamples: int, seed: int) -> Abstention | None:
    """Return the answers of a table with decisions, None without; intervals resample ``table.groups``."""
    decided = table.decisions
    if decided is None:
        return None
    names = np.array(table.classes, dtype=object)
    truth = names[table.truth]
    labels = np.array(decided.labels, dtype=object)
    answered = labels != ""
    whole = _Question(np.ones(len(table), np.bool_), answered, answered & (labels == truth))
    questions = {("", ALL): whole}
    questions |= {("per_class", name): whole.of(truth == name) for name in table.classes}
    if decided.p_tumour is not None:
        questions |= _separate(table.classes, truth, labels, decided)
    found = dict(zip(questions, _answers(list(questions.values()), table.groups, resamples, seed), strict=True))
    by_question: dict[str, dict[str, Answers]] = {"per_class": {}, "tumour": {}, "kind": {}}
    for (question, name), one in found.items():
        by_question.setdefault(question, {})[name] = one
    overall = by_question[""][ALL]
    return Abstention(
        n=overall.n,
        answered=overall.answered,
        correct=overall.correct,
        coverage=overall.coverage,
        selective_accuracy=overall.selective_accuracy,
        reasons=dict(Counter(filter(None, decided.reason_codes)).most_common()),
        per_class=by_question["per_class"],
        tumour=by_question["tumour"] or None,
        kind=by_question["kind"] or None,
    )


def _separate(
    classes: tuple[str, ...], truth: NDArray[np.object_], labels: NDArray[np.object_], decided: Decisions
) -> dict[tuple[str, str], _Question]:
    """Return the questions on tumour or none, and on the kinds of the tumours that were found."""
    kinds = [classes[place] for place in lesion_classes(classes)]
    named = np.isin(labels, kinds)
    found = named | np.isin(np.array(decided.reason_codes, dtype=object), list(TUMOUR_SUSPECTED))
    none = np.array([bool(label) and is_without_lesion(label) for label in labels])
    is_tumour = np.isin(truth, kinds)
    tumour = _Question(np.ones(len(truth), np.bool_), found | none, np.where(is_tumour, found, none))
    kind = _Question(is_tumour & found, is_tumour & named, is_tumour & (labels == truth))
    parts = {ALL: is_tumour | ~is_tumour, TUMOUR: is_tumour, NO_TUMOUR: ~is_tumour}
    return {
        **{("tumour", name): tumour.of(rows) for name, rows in parts.items()},
        ("kind", ALL): kind,
        **{("kind", name): kind.of(truth == name) for name in kinds},
    }


def _answers(questions: list[_Question], groups: tuple[str, ...], resamples: int, seed: int) -> list[Answers]:
    """Return the answers to each question, with intervals that resample groups."""
    asked, answered, correct = (
        np.column_stack([getattr(one, name) for one in questions]).astype(np.float64)
        for name in ("asked", "answered", "correct")
    )

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        total, given, right = (weights @ one for one in (asked, answered, correct))
        return np.column_stack([ratio(given, total), ratio(right, given)])

    shares = list(group_intervals(statistic, groups, resamples=resamples, seed=seed))
    bases = [*(one.asked for one in questions), *(one.answered for one in questions)]
    if resamples:
        shares = [exact_if_unanimous(one, groups, rows) for one, rows in zip(shares, bases, strict=True)]
    return [
        Answers(int(one.asked.sum()), int(one.answered.sum()), int(one.correct.sum()), coverage, accuracy)
        for one, coverage, accuracy in zip(questions, shares[: len(questions)], shares[len(questions) :], strict=True)
    ]
