from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.errors import DataError
from gadolin.metrics import expected_calibration_error, fit_temperature, reliability, risk_coverage
from gadolin.metrics.selective import fit_confidence_threshold, selective_statistic
from gadolin.metrics.table import Table


def softmax(logits):
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


def draw(logits, seed=0):
    random = np.random.default_rng(seed)
    return np.asarray([random.choice(len(row), p=row) for row in softmax(logits)])


def test_bins_and_error_by_hand(make_table):
    probabilities = [[0.9, 0.1, 0, 0], [0.9, 0.1, 0, 0], [0.5, 0.3, 0.2, 0], [1, 0, 0, 0]]
    table = make_table(rows=4, probabilities=np.asarray(probabilities), truth=[0, 1, 0, 0])
    bins = reliability(table, bins=10)
    assert [one.n for one in bins] == [0, 0, 0, 0, 1, 0, 0, 0, 2, 1]
    assert bins[8].accuracy == 0.5
    assert bins[8].confidence == pytest.approx(0.9)
    assert bins[0].accuracy is None
    assert expected_calibration_error(table, bins=10) == pytest.approx((2 * 0.4 + 0.5 + 0) / 4)


def test_bins_hold_every_row(make_table):
    assert sum(one.n for one in reliability(make_table())) == 200
    with pytest.raises(DataError) as caught:
        reliability(make_table(), bins=0)
    assert caught.value.code == "bins_out_of_range"


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_planted_temperature_is_found(temperature):
    logits = np.random.default_rng(1).normal(0, 2, (6000, 4))
    assert fit_temperature(logits * temperature, draw(logits)) == pytest.approx(temperature, rel=0.06)


@pytest.mark.slow
@given(st.floats(0.3, 3.0))
def test_scaled_logits_scale_the_temperature(factor):
    logits = np.random.default_rng(2).normal(0, 2, (4000, 3))
    truth = draw(logits)
    assert fit_temperature(logits * factor, truth) == pytest.approx(fit_temperature(logits, truth) * factor, rel=0.05)


def test_no_temperature_nearby_is_better():
    logits = np.random.default_rng(3).normal(0, 4, (300, 4))
    truth = draw(logits / 2)
    best = fit_temperature(logits, truth)

    def loss(temperature):
        return -np.log(softmax(logits / temperature)[np.arange(300), truth]).mean()

    assert all(loss(best) <= loss(best * factor) for factor in (0.5, 0.95, 1.05, 2.0))


def test_a_few_rows_that_are_all_right_do_not_make_the_network_boundlessly_sure():
    logits = np.eye(3) * 5
    assert 0.7 < fit_temperature(logits, np.arange(3)) < 1


def test_a_few_rows_that_are_all_wrong_make_it_less_sure_within_reason():
    logits = np.eye(3) * 5
    assert 1.5 < fit_temperature(logits, np.asarray([1, 2, 0])) < 6


def test_many_rows_outweigh_the_prior():
    logits = np.tile(np.eye(3) * 5, (400, 1))
    truth = np.tile([1, 2, 0], 400)
    assert fit_temperature(logits, truth) > 15


@pytest.mark.parametrize(
    ("logits", "truth", "code"),
    [
        (np.zeros(3), [0, 0, 0], "shape_mismatch"),
        (np.zeros((0, 3)), [], "shape_mismatch"),
        (np.zeros((3, 1)), [0, 0, 0], "shape_mismatch"),
        (np.zeros((2, 3)), [0], "shape_mismatch"),
        (np.full((1, 3), np.nan), [0], "logits_not_finite"),
        (np.zeros((1, 3)), [3], "truth_out_of_range"),
    ],
)
def test_wrong_logits_are_refused(logits, truth, code):
    with pytest.raises(DataError) as caught:
        fit_temperature(logits, np.asarray(truth, dtype=np.int64))
    assert caught.value.code == code


def test_risk_and_coverage_by_hand(make_table):
    probabilities = [[0.9, 0.1, 0, 0], [0.8, 0.2, 0, 0], [0.8, 0.2, 0, 0], [0.6, 0.4, 0, 0]]
    table = make_table(rows=4, probabilities=np.asarray(probabilities), truth=[0, 0, 1, 1])
    curve = risk_coverage(table)
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.6]
    assert curve.coverage.tolist() == [0.25, 0.75, 1.0]
    assert curve.risk.tolist() == [0, pytest.approx(1 / 3), 0.5]
    assert curve.area == pytest.approx(0.5 / 3 + 0.25 * 0.5)


def selective(confidence, correct, weights=None):
    rows = len(confidence)
    sure = np.asarray(confidence)
    table = make_selective_table(sure, np.asarray(correct))
    return selective_statistic(table)(np.ones((1, rows)) if weights is None else np.asarray(weights, float))


def bound_of(sure, correct):
    sure = np.asarray(sure)
    return fit_confidence_threshold(np.column_stack([sure, 1 - sure]), np.where(correct, 0, 1))


def test_nothing_is_named_below_where_those_above_are_right_but_nine_of_ten_are_named():
    sure = np.linspace(0.99, 0.6, 200)
    assert bound_of(sure, np.arange(200) < 190) == pytest.approx(sure[190], abs=1e-4)  # 190 of 191 are correct
    assert bound_of(sure, np.arange(200) < 100) == pytest.approx(sure[179], abs=1e-4)  # at most a tenth is declined
    assert bound_of(sure, np.arange(200) < 199) == 0  # 199 of 200 are correct: none is declined
    assert bound_of(sure, np.arange(200) >= 0) == 0


def test_slices_that_count_twice_are_as_two():
    sure, right = np.linspace(0.99, 0.6, 100), np.arange(100) % 7 > 0
    pairs, truth = np.column_stack([sure, 1 - sure]), np.where(right, 0, 1)
    twice = np.where(np.arange(100) < 40, 2, 1)

    weighed = fit_confidence_threshold(pairs, truth, twice)

    assert weighed == fit_confidence_threshold(np.repeat(pairs, twice, axis=0), np.repeat(truth, twice))
    assert weighed != fit_confidence_threshold(pairs, truth)


@given(st.lists(st.tuples(st.floats(0.5, 1), st.booleans()), min_size=1, max_size=300))
def test_nine_of_ten_at_least_are_named_above_that_bound(rows):
    sure, right = (np.array(each) for each in zip(*rows, strict=True))
    assert (sure >= bound_of(sure, right)).mean() >= 0.9


def make_selective_table(sure, correct):
    rows = len(sure)
    names = tuple(map(str, range(rows)))
    return Table(
        classes=("a", "b"),
        probabilities=np.column_stack([sure, 1 - sure]),
        truth=np.where(correct, 0, 1),
        paths=names,
        groups=names,
        parts=("",) * rows,
        digests=names,
    )


def test_figures_of_abstention_are_those_counted_by_hand():
    sure = np.linspace(0.99, 0.6, 10)
    correct = [True] * 8 + [False] * 2
    np.testing.assert_allclose(selective(sure, correct), [[8 / 9, 0.8]])


def test_abstaining_cannot_help_where_the_surest_answers_are_wrong():
    np.testing.assert_allclose(selective([0.9, 0.8, 0.7, 0.6], [False, True, True, True]), [[0.75, 0.0]])


def test_answers_of_equal_confidence_are_given_together():
    np.testing.assert_allclose(selective([0.9, 0.8, 0.8, 0.8], [True, True, True, False]), [[0.75, 0.25]])


def test_a_row_drawn_twice_counts_twice_among_the_answered():
    np.testing.assert_allclose(selective([0.9, 0.8], [True, False], [[3, 1], [0, 2]]), [[0.75, 0.75], [0.0, 0.0]])
