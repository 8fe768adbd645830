from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gadolin.metrics import measure


def in_parts(table, parts):
    return replace(table, parts=tuple(parts))


def test_difference_of_parts_by_hand(certain_table):
    truth = [0, 1] * 30
    predicted = [0, 1] * 20 + [0, 0] * 10
    table = in_parts(certain_table(truth, predicted), ["duplicate"] * 40 + ["new_slice"] * 20)
    (one,) = measure(table, resamples=0).differences
    assert (one.minuend, one.subtrahend) == ("duplicate", "new_slice")
    assert one.figures["accuracy"].value == pytest.approx(0.5)
    assert one.figures["balanced_accuracy"].value == pytest.approx(0.5)
    assert one.figures["macro_f1"].value == pytest.approx(1 - (2 / 3 + 0) / 2)


def test_difference_has_an_interval_over_the_groups_of_both_parts(make_table):
    table = make_table(rows=200, seed=1)
    table = in_parts(table, ["duplicate", "new_patient"] * 100)
    found = measure(table, resamples=300)
    (one,) = found.differences
    figure = one.figures["accuracy"]
    copied, new = (found.parts[name].figures["accuracy"].value for name in ("duplicate", "new_patient"))
    assert figure.value == pytest.approx(copied - new)
    assert figure.low < figure.value < figure.high
    assert found.as_json()["differences"] == [one.as_json()]


def test_groups_that_answer_alike_in_both_parts_leave_no_doubt_of_the_difference(certain_table):
    """A group that is wrong in both subsets is resampled in both: the difference is always 0."""
    wrong = np.repeat(np.arange(30) % 3 == 0, 2)
    truth = np.repeat(np.arange(30) % 2, 2)
    table = certain_table(truth, np.where(wrong, 1 - truth, truth))
    groups = tuple(f"g{number // 2}" for number in range(60))
    table = replace(table, groups=groups, parts=("duplicate", "new_patient") * 30)
    (one,) = measure(table, resamples=200).differences
    assert one.figures["accuracy"].value == 0
    assert one.figures["accuracy"].low is None, "no resample differs, so there is no interval"


def test_parts_that_are_too_small_are_not_compared(make_table):
    table = make_table(rows=60, seed=2)
    parts = ["duplicate"] * 45 + ["new_slice"] * 15
    assert measure(in_parts(table, parts), resamples=0).differences == ()
    assert measure(table, resamples=0).differences == ()
