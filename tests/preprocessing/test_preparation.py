"""Tests of the settings of preparation: allowed and refused values."""

from __future__ import annotations

import pytest

from gadolin.errors import RequestError
from gadolin.preprocessing.prepare import Preparation


def test_a_preparation_comes_back_from_its_json():
    preparation = Preparation(size=128, crop=False, margin=0.1, square=False, low_percentile=1, high_percentile=99)
    assert Preparation.from_json(preparation.as_json()) == preparation


def test_an_unknown_key_is_refused_with_a_suggestion():
    with pytest.raises(RequestError) as caught:
        Preparation.from_json({"margn": 0.1})
    assert str(caught.value) == (
        "unknown preparation key 'margn' (did you mean 'margin'?); "
        "known are size, crop, margin, square, low_percentile, high_percentile"
    )


@pytest.mark.parametrize("size", [15, 2049, 0, -256])
def test_a_size_out_of_range_is_refused(size):
    with pytest.raises(
        RequestError, match=rf"preparation.size must be between 16 and 2048, got {size}; 256 is the usual"
    ):
        Preparation(size=size)


@pytest.mark.parametrize("margin", [-0.01, 0.51, float("nan")])
def test_a_margin_out_of_range_is_refused(margin):
    with pytest.raises(RequestError) as caught:
        Preparation(margin=margin)
    assert caught.value.code == "preparation_out_of_range"
    assert str(margin) in caught.value.got


@pytest.mark.parametrize(("low", "high"), [(-1, 50), (50, 50), (60, 40), (1, 101), (float("nan"), 99)])
def test_percentiles_out_of_order_are_refused(low, high):
    with pytest.raises(RequestError) as refusal:
        Preparation(low_percentile=low, high_percentile=high)
    assert refusal.value.code == "preparation_out_of_range"
