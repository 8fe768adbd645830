"""McNemar's exact test."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.errors import RequestError
from gadolin.metrics.mcnemar import mcnemar


@pytest.mark.parametrize(
    ("counts", "p"),
    [
        ((0, 0), 1.0),
        ((1, 1), 1.0),
        ((0, 1), 1.0),
        ((0, 5), 0.0625),
        ((1, 9), 22 / 1024),
        ((10, 2), 158 / 4096),
    ],
)
def test_mcnemar_by_hand(counts, p):
    assert mcnemar(*counts) == pytest.approx(p)


@given(st.integers(0, 300), st.integers(0, 300))
def test_mcnemar_is_symmetric_and_a_probability(first, second):
    assert 0 <= mcnemar(first, second) == mcnemar(second, first) <= 1


def test_mcnemar_refuses_negative_counts():
    with pytest.raises(RequestError) as caught:
        mcnemar(-1, 2)
    assert caught.value.code == "value_out_of_range"
