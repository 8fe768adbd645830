from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadolin.errors import DataError
from gadolin.metrics import Table, compare


def worse(make_table, wrong, **fields):
    """Make a table that is correct except in the rows ``wrong``."""
    truth = make_table().truth
    answers = truth.copy()
    answers[wrong] = (answers[wrong] + 1) % 4
    return make_table(probabilities=np.eye(4)[answers], **fields)


@pytest.mark.parametrize("seed", range(3))
def test_table_against_itself_shows_no_difference(make_table, seed):
    table = make_table(seed=seed)
    found = compare(table, table, resamples=20)
    assert (found.accuracy.value, found.macro_f1.value, found.p_value) == (0, 0, 1)
    assert (found.only_a, found.only_b, found.common) == (0, 0, 200)
    assert found.verdict.startswith("No difference is shown")


def test_better_model_is_named(make_table):
    bad, good = worse(make_table, np.arange(0, 60)), worse(make_table, np.arange(55, 65))
    found = compare(bad, good, resamples=400)
    assert found.accuracy.value == pytest.approx(50 / 200)
    assert (found.only_a_correct, found.only_b_correct) == (5, 55)
    assert 0 < found.accuracy.low < found.accuracy.value < found.accuracy.high
    assert found.p_value < 1e-6
    assert found.verdict.startswith("b is better: b classifies 190 and a 140 of 200")
    back = compare(good, bad, resamples=400)
    assert back.verdict.startswith("a is better")
    assert back.accuracy.value == -found.accuracy.value
    assert back.accuracy.low == pytest.approx(-found.accuracy.high)


def test_small_difference_is_not_called_one(make_table):
    found = compare(worse(make_table, [0, 1, 2]), worse(make_table, [3, 4]), resamples=200)
    assert found.verdict.startswith("No difference is shown")
    assert found.p_value == 1.0


def test_few_groups_give_no_verdict(make_table):
    groups = ("one", "two") * 100
    found = compare(worse(make_table, [0, 1], groups=groups), worse(make_table, [3], groups=groups))
    assert found.verdict.startswith("No verdict")
    assert found.accuracy.low is None


def test_slices_are_matched_in_any_order_and_counted(make_table):
    a = make_table()
    b = a.only(np.arange(199, 49, -1))
    found = compare(a, b, resamples=10)
    assert (found.matched_by, found.common, found.only_a, found.only_b) == ("digest", 150, 50, 0)
    assert found.accuracy.value == 0


def test_missing_digests_fall_back_to_paths(make_table):
    found = compare(make_table(digests=("",) * 200), make_table(), resamples=10)
    assert (found.matched_by, found.common) == ("path", 200)


def test_equal_digests_are_matched_one_to_one(make_table):
    a = make_table(digests=("same",) * 200)
    assert compare(a, a, resamples=10).common == 200


def test_other_order_of_classes_is_the_same_task(make_table):
    a = make_table()
    order = [2, 0, 3, 1]
    b = make_table(
        classes=tuple(a.classes[index] for index in order),
        probabilities=a.probabilities[:, order],
        truth=np.argsort(order)[a.truth],
    )
    assert compare(a, b, resamples=10).only_a_correct == 0
    assert compare(a, b, resamples=10).accuracy.value == 0


def test_tables_that_do_not_fit_are_refused(make_table):
    a = make_table()
    with pytest.raises(DataError) as caught:
        compare(a, make_table(classes=("w", "x", "y", "z")))
    assert caught.value.code == "classes_differ"
    with pytest.raises(DataError) as caught:
        compare(a, make_table(digests=tuple(f"x{row}" for row in range(200))))
    assert caught.value.code == "no_common_slices"
    with pytest.raises(DataError) as caught:
        compare(a, make_table(truth=(a.truth + 1) % 4))
    assert caught.value.code == "truth_differs"
    assert "200 of 200" in caught.value.got


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_difference_lies_in_its_interval(seed):
    random = np.random.default_rng(seed)
    names, truth = tuple(map(str, range(40))), random.integers(0, 2, 40)
    a, b = (Table(("x", "y"), random.dirichlet([1, 1], 40), truth, names, names, ("",) * 40, names) for _ in range(2))
    found = compare(a, b, resamples=30)
    if found.accuracy.low is not None:
        assert found.accuracy.low <= found.accuracy.value <= found.accuracy.high
    assert 0 <= found.p_value <= 1


def test_json_says_everything(make_table):
    found = compare(worse(make_table, [0, 1]), make_table(), resamples=50).as_json()
    text = json.loads(json.dumps(found, allow_nan=False))
    assert text["n"] == 200
    assert text["accuracy_difference"]["value"] == pytest.approx((text["correct_b"] - text["correct_a"]) / 200)
    assert text["verdict"]
    assert set(text["mcnemar"]) == {"only_a_correct", "only_b_correct", "p_value"}
