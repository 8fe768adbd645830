from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as reference

from gadolin.errors import DataError
from gadolin.metrics import Scores, Table, Unscored, measure
from gadolin.metrics.bootstrap import _CHUNK_CELLS
from gadolin.metrics.ranking import Ranking, precision_recall_points, roc_points
from gadolin.metrics.scores import brier, confusion_matrix, negative_log_likelihood


def values(table):
    scores = measure(table, resamples=0).overall
    return {name: one.value for name, one in scores.figures.items()}, scores.per_class


def test_figures_by_hand(certain_table):
    figures, classes = values(certain_table([0, 0, 0, 1], [0, 0, 1, 1], certainty=0.8))
    assert figures["accuracy"] == 0.75
    assert figures["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["macro_precision"] == pytest.approx((1 + 1 / 2) / 2)
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["brier"] == pytest.approx((3 * 0.08 + 1.28) / 4)
    assert figures["nll"] == pytest.approx(-(3 * np.log(0.8) + np.log(0.2)) / 4)
    assert figures["ece"] == pytest.approx(0.05)
    assert classes["a"].n == 3
    assert classes["a"].figures["roc_auc"].value == pytest.approx((2 + 0.5) / 3)


@pytest.mark.parametrize("seed", range(4))
def test_figures_agree_with_scikit_learn(make_table, seed):
    table = make_table(rows=150, seed=seed)
    rounded = np.round(table.probabilities, 1) + 0.1
    table = make_table(rows=150, seed=seed, probabilities=rounded / rounded.sum(axis=1, keepdims=True))
    truth, predicted, given_ = table.truth, table.predicted, table.probabilities
    one_hot = np.eye(4)[truth]
    figures, classes = values(table)
    assert figures["accuracy"] == pytest.approx(reference.accuracy_score(truth, predicted))
    assert figures["balanced_accuracy"] == pytest.approx(reference.balanced_accuracy_score(truth, predicted))
    assert figures["macro_f1"] == pytest.approx(reference.f1_score(truth, predicted, average="macro"))
    assert figures["macro_precision"] == pytest.approx(reference.precision_score(truth, predicted, average="macro"))
    assert figures["nll"] == pytest.approx(reference.log_loss(truth, given_))
    assert figures["macro_roc_auc"] == pytest.approx(reference.roc_auc_score(one_hot, given_))
    assert figures["macro_average_precision"] == pytest.approx(reference.average_precision_score(one_hot, given_))
    each = reference.precision_recall_fscore_support(truth, predicted)
    for name, expected in zip(("precision", "recall", "f1"), each, strict=False):
        assert [one.figures[name].value for one in classes.values()] == pytest.approx(list(expected))
    assert (confusion_matrix(truth, predicted, classes=4) == reference.confusion_matrix(truth, predicted)).all()


@given(st.integers(0, 2**32), st.integers(2, 60))
def test_weighted_areas_agree_with_scikit_learn(seed, rows):
    random = np.random.default_rng(seed)
    scores, weights = random.integers(0, 12, rows) / 10, random.integers(0, 4, rows).astype(float)
    positive = random.random(rows) < 0.5
    positive[:2], weights[:2] = (True, False), 1
    area, average = Ranking(scores, positive).areas(weights[None])
    assert area[0] == pytest.approx(reference.roc_auc_score(positive, scores, sample_weight=weights))
    assert average[0] == pytest.approx(reference.average_precision_score(positive, scores, sample_weight=weights))


def test_weight_two_is_the_row_twice():
    scores, positive = np.asarray([0.9, 0.4, 0.6, 0.1]), np.asarray([True, False, False, True])
    weighted = Ranking(scores, positive).areas(np.asarray([[1.0, 2, 1, 3]]))
    times = [0, 1, 1, 2, 3, 3, 3]
    repeated = Ranking(scores[times], positive[times]).areas(np.ones((1, 7)))
    assert np.allclose(weighted, repeated)


def test_curves_agree_with_scikit_learn(make_table):
    table = make_table(rows=80)
    scores, positive = table.probabilities[:, 1], table.truth == 1
    alarms, hits = roc_points(scores, positive)
    expected = reference.roc_curve(positive, scores, drop_intermediate=False)
    assert np.allclose(alarms, expected[0])
    assert np.allclose(hits, expected[1])
    recall, precision = precision_recall_points(scores, positive)
    expected = reference.precision_recall_curve(positive, scores)
    # scikit-learn appends the point (0, 1) and lists thresholds in reverse order.
    assert np.allclose(recall[::-1], expected[1][:-1])
    assert np.allclose(precision[::-1], expected[0][:-1])


def test_class_absent_from_the_truth_has_no_figures_and_no_part_in_means(certain_table):
    table = certain_table([0, 0, 1, 1], [0, 2, 1, 1], classes=("a", "b", "c"))
    figures, classes = values(table)
    assert classes["c"].n == 0
    assert {one.value for one in classes["c"].figures.values()} == {None}
    assert figures["balanced_accuracy"] == pytest.approx((0.5 + 1) / 2)
    assert figures["accuracy"] == 0.75


def test_class_that_is_never_named_has_precision_zero(certain_table):
    _, classes = values(certain_table([0, 1], [0, 0]))
    assert classes["b"].figures["precision"].value == 0
    assert classes["b"].figures["f1"].value == 0


def test_single_class_in_the_truth_has_no_curve(certain_table):
    figures, _ = values(certain_table([0, 0], [0, 1]))
    assert figures["macro_roc_auc"] is None
    assert figures["accuracy"] == 0.5


def test_losses_of_certain_rows():
    probabilities, truth = np.asarray([[1.0, 0.0], [0.0, 1.0]]), np.asarray([0, 0])
    assert brier(probabilities, truth).tolist() == [0, 2]
    assert negative_log_likelihood(probabilities, truth).tolist() == [0, pytest.approx(36.04, abs=0.01)]


@given(st.permutations(range(40)))
@pytest.mark.slow
def test_order_of_rows_does_not_matter(order):
    random = np.random.default_rng(5)
    probabilities = random.dirichlet(np.ones(3), 40)
    table = Table(
        ("a", "b", "c"),
        probabilities,
        random.integers(0, 3, 40),
        tuple(map(str, range(40))),
        tuple(f"g{row // 2}" for row in range(40)),
        ("",) * 40,
        ("",) * 40,
    )
    first = measure(table, resamples=10).overall
    second = measure(table.only(np.asarray(order)), resamples=10).overall
    assert first.confusion == second.confusion
    for name, one in first.figures.items():
        assert second.figures[name].value == pytest.approx(one.value)
        assert second.figures[name].low == pytest.approx(one.low)


def test_every_interval_holds_its_value(make_table):
    scores = measure(make_table(), resamples=200).overall
    intervals = [one for name, one in scores.figures.items() if name not in ("ece", "coverage")]
    intervals += [one for each in scores.per_class.values() for one in each.figures.values()]
    assert len(intervals) == 29
    assert all(one.low <= one.value <= one.high for one in intervals)
    assert scores.figures["ece"].low is None
    assert scores.figures["coverage"].low is None


def test_perfect_answers_have_an_honest_interval(certain_table):
    truth = [0, 1] * 50
    scores = measure(certain_table(truth, truth), resamples=50).overall
    assert scores.figures["accuracy"].low == pytest.approx(0.025 ** (1 / 100))
    assert scores.per_class["a"].figures["recall"].low == pytest.approx(0.025 ** (1 / 50))
    assert scores.figures["macro_f1"].low is None


def test_parts_are_scored_alone_and_small_or_missing_ones_never(make_table):
    table = make_table(parts=("duplicate",) * 120 + ("new_slice",) * 19 + ("odd",) * 60 + ("",))
    parts = measure(table, resamples=20).parts
    assert list(parts) == ["all", "duplicate", "known_patient", "new_slice", "new_patient", "odd", "unnamed"]
    assert parts["duplicate"] == measure(table.part("duplicate"), resamples=20).overall
    assert parts["new_slice"] == Unscored(19, "too few slices: 19, at least 20 needed")
    assert isinstance(parts["new_patient"], Unscored)
    assert parts["new_patient"].n == 0
    assert isinstance(parts["odd"], Scores)
    assert list(measure(make_table(), resamples=0).parts) == ["all"]
    with pytest.raises(DataError) as caught:
        measure(make_table(parts=("all",) * 200))
    assert caught.value.code == "part_name_reserved"


def test_json_holds_n_and_intervals_and_no_nan(make_table):
    table = make_table(parts=("duplicate",) * 190 + ("new_slice",) * 10)
    found = measure(table, resamples=50, seed=4).as_json()
    text = json.loads(json.dumps(found, allow_nan=False))
    assert (text["n"], text["groups"], text["resamples"], text["seed"]) == (200, 100, 50, 4)
    assert set(text["accuracy"]) == {"value", "low", "high", "resamples"}
    assert text["subsets"]["duplicate"]["n"] == 190
    assert text["subsets"]["new_slice"]["scored"] is False
    assert sum(map(sum, text["confusion_matrix"])) == 200
    assert text["per_class"]["glioma"]["recall"]["low"] <= text["per_class"]["glioma"]["recall"]["value"]
    assert measure(table, resamples=50, seed=4).as_json() == found


@pytest.mark.slow
def test_each_class_is_sorted_once_and_resamples_are_measured_in_chunks(make_table, monkeypatch):
    table = make_table(rows=5000)
    sorted_classes, chunks = [], []
    make, areas = Ranking.__init__, Ranking.areas

    def counted_make(self, scores, positive):
        sorted_classes.append(len(scores))
        make(self, scores, positive)

    def counted_areas(self, weights):
        chunks.append(len(weights))
        return areas(self, weights)

    monkeypatch.setattr(Ranking, "__init__", counted_make)
    monkeypatch.setattr(Ranking, "areas", counted_areas)
    measure(table, resamples=500)
    classes = len(table.classes)
    assert sorted_classes == [5000] * classes
    assert sum(chunks) == classes * (500 + 1), "every resample, and the figures themselves"
    assert len(chunks) == classes * (math.ceil(500 / (_CHUNK_CELLS // 5000)) + 1)
