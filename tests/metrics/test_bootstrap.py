from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.errors import RequestError
from gadolin.metrics.bootstrap import (
    _CHUNK_CELLS,
    Interval,
    group_intervals,
    group_weights,
    paired_intervals,
    unanimous_interval,
)


def mean_of(values):
    return lambda weights: (weights @ values)[:, None] / weights.sum(axis=1, keepdims=True)


def names(count, per_group=1):
    return [f"g{index // per_group}" for index in range(count)]


def test_rows_of_one_group_always_weigh_the_same():
    weights = np.concatenate(list(group_weights(names(30, per_group=3), resamples=50)))
    assert weights.shape == (50, 30)
    by_group = weights.reshape(50, 10, 3)
    assert (by_group == by_group[:, :, :1]).all()


def test_each_resample_draws_as_many_groups_as_there_are():
    weights = np.concatenate(list(group_weights(names(40), resamples=100)))
    assert (weights.sum(axis=1) == 40).all()


def test_same_seed_gives_the_same_draws_and_another_seed_others():
    first, again, other = (next(group_weights(names(20), resamples=9, seed=seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_draws_do_not_depend_on_the_size_of_chunks(monkeypatch):
    whole = np.concatenate(list(group_weights(names(20), resamples=60)))
    monkeypatch.setattr("gadolin.metrics.bootstrap._CHUNK_CELLS", 100)
    chunks = list(group_weights(names(20), resamples=60))
    assert len(chunks) == 12
    assert (np.concatenate(chunks) == whole).all()


def test_interval_of_a_mean_agrees_with_its_standard_error():
    values = np.random.default_rng(0).normal(size=400)
    (one,) = group_intervals(mean_of(values), names(400), resamples=4000)
    half = 1.96 * values.std() / math.sqrt(400)
    assert one.value == pytest.approx(values.mean())
    assert one.low == pytest.approx(values.mean() - half, abs=0.15 * half)
    assert one.high == pytest.approx(values.mean() + half, abs=0.15 * half)


def test_copies_of_rows_in_one_group_do_not_narrow_the_interval():
    values = np.random.default_rng(1).normal(size=100)
    (once,) = group_intervals(mean_of(values), names(100))
    (four,) = group_intervals(mean_of(np.repeat(values, 4)), names(400, per_group=4))
    (naive,) = group_intervals(mean_of(np.repeat(values, 4)), names(400))
    assert four.high - four.low > 1.7 * (naive.high - naive.low)
    assert four.high - four.low == pytest.approx(once.high - once.low, rel=0.1)


@given(st.permutations(range(24)))
def test_order_of_rows_changes_nothing(order):
    values = np.random.default_rng(2).random(24)
    groups = names(24, per_group=2)
    (straight,) = group_intervals(mean_of(values), groups, resamples=40)
    (shuffled,) = group_intervals(mean_of(values[order]), [groups[row] for row in order], resamples=40)
    assert shuffled.value == pytest.approx(straight.value)
    assert shuffled.low == pytest.approx(straight.low)
    assert shuffled.high == pytest.approx(straight.high)


@given(st.lists(st.floats(-5, 5), min_size=10, max_size=40), st.integers(0, 5))
def test_interval_holds_its_value(values, seed):
    (one,) = group_intervals(mean_of(np.asarray(values)), names(len(values)), resamples=30, seed=seed)
    if one.low is not None:
        assert one.low <= one.value <= one.high


def test_few_groups_give_a_value_without_interval():
    (one,) = group_intervals(mean_of(np.arange(90.0)), names(90, per_group=10))
    assert one == Interval(44.5)


def test_figure_that_every_resample_repeats_has_no_interval():
    (one,) = group_intervals(mean_of(np.ones(50)), names(50), resamples=20)
    assert one == Interval(1.0, resamples=20)


def rare(present):
    def statistic(weights):
        held = weights[:, :present].sum(axis=1)
        return np.where(held > 0, weights[:, 0] + 1.0, np.nan)[:, None]

    return statistic


def test_resamples_that_do_not_define_a_figure_are_left_out_and_counted():
    (one,) = group_intervals(rare(2), names(20), resamples=2000)
    assert 0.8 * 2000 < one.resamples < 0.93 * 2000
    assert one.low is not None


def test_figure_that_most_resamples_do_not_define_has_no_interval():
    def statistic(weights):
        return np.where(weights[:, 0] == 1, weights[:, 1], np.nan)[:, None]

    (one,) = group_intervals(statistic, names(20), resamples=500)
    assert one.value == 1.0
    assert one.low is None
    assert 0 < one.resamples < 250


def test_figure_that_is_not_defined_has_no_value():
    assert group_intervals(lambda w: np.full((len(w), 1), np.nan), names(12), resamples=5) == (Interval(None),)


def test_no_resamples_give_values_alone():
    assert group_intervals(mean_of(np.arange(20.0)), names(20), resamples=0) == (Interval(9.5),)


def test_paired_difference_sees_the_same_resamples():
    values = np.random.default_rng(3).random(60)
    (one,) = paired_intervals(mean_of(values), mean_of(values + 0.25), names(60), resamples=50)
    assert one.value == pytest.approx(0.25)
    assert one.low is None, "a constant shift has no spread because both sides share their resamples"


@pytest.mark.parametrize(("groups", "resamples"), [([], 5), (["a"], -1)])
def test_nothing_to_resample_is_refused(groups, resamples):
    with pytest.raises(RequestError) as caught:
        next(group_weights(groups, resamples=resamples))
    assert caught.value.code == "resamples_out_of_range"


def test_unanimous_interval_is_clopper_pearson():
    one = unanimous_interval(1.0, 100)
    assert (one.low, one.high) == (pytest.approx(0.9638, abs=1e-4), 1.0)
    none = unanimous_interval(0.0, 100)
    assert (none.low, none.high) == (0.0, pytest.approx(0.0362, abs=1e-4))
    assert unanimous_interval(1.0, 9) == Interval(1.0)
    with pytest.raises(RequestError) as caught:
        unanimous_interval(0.5, 100)
    assert caught.value.code == "value_out_of_range"


def test_the_statistic_is_called_once_for_each_chunk_of_resamples_and_chunks_are_bounded():
    values = np.random.default_rng(4).random(5000)
    shapes = []

    def statistic(weights):
        shapes.append(weights.shape)
        return mean_of(values)(weights)

    group_intervals(statistic, names(5000), resamples=2000)
    chunk = _CHUNK_CELLS // 5000
    assert [rows for rows, _ in shapes] == [*[chunk] * (2000 // chunk), 2000 % chunk, 1]
    assert {columns for _, columns in shapes} == {5000}
