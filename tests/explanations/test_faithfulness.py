"""Tests of deletion and insertion curves on models with known answers."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.errors import RequestError
from gadolin.explanations.baselines import head_mask
from gadolin.explanations.explained_slice import subject
from gadolin.explanations.scoring.faithfulness import deletion_and_insertion


@pytest.fixture(scope="module")
def counts_pixels(head):
    """A model whose probability of class 0 is the share of unchanged pixels."""

    def predict(pixels):
        share = (pixels == head.pixels)[:, head_mask(head, subject(_sure, head, "0").frame)].mean(axis=1)
        return np.stack([share, 1 - share], axis=1).astype(np.float32)

    return predict


def _sure(pixels):
    return np.tile(np.array([[1, 0]], np.float32), (len(pixels), 1))


def test_a_model_for_which_every_pixel_counts_the_same_gives_straight_lines(head, counts_pixels):
    heat = np.random.default_rng(0).random(head.pixels.shape, np.float32)
    curves = deletion_and_insertion(subject(counts_pixels, head, "0"), heat, steps=10)
    assert curves.deletion == pytest.approx(np.linspace(1, 0, 11), abs=1e-3)
    assert curves.insertion == pytest.approx(np.linspace(0, 1, 11), abs=1e-3)
    assert curves.areas == pytest.approx((0.5, 0.5), abs=1e-3)


def test_heat_where_the_model_looks_is_more_faithful_than_heat_elsewhere(head, square, looks_at_square):
    asked = subject(looks_at_square, head, "0")
    there = np.zeros(head.pixels.shape, np.float32)
    there[square] = 1
    right, wrong = (deletion_and_insertion(asked, heat) for heat in (there, -there))
    low, high = right.deletion[-1], right.deletion[0]
    assert high - low > 0.1
    assert right.deletion[1:] == pytest.approx(low), "the first step removes the square"
    assert wrong.deletion[:-1] == pytest.approx(high), "the last step removes the square"
    assert right.areas == pytest.approx(wrong.areas[::-1])
    assert right.areas[0] < wrong.areas[0]


def test_equal_heat_goes_in_an_order_of_chance_and_always_the_same(head, square, looks_at_square):
    asked = subject(looks_at_square, head, "0")
    flat = np.zeros(head.pixels.shape, np.float32)
    first, second = (deletion_and_insertion(asked, flat, steps=4).deletion for _ in range(2))
    assert (first == second).all()
    assert first[0] == pytest.approx(0.95)
    assert (np.diff(first) < 0).all(), "every step removes a part of the square"


def test_a_map_of_another_size_is_refused(head, looks_at_square):
    with pytest.raises(RequestError) as caught:
        deletion_and_insertion(subject(looks_at_square, head), np.zeros((64, 64), np.float32))
    assert caught.value.code == "shape_mismatch"
    assert "(64, 64)" in caught.value.got


def test_too_few_steps_and_unknown_fills_are_refused(head, looks_at_square):
    asked, heat = subject(looks_at_square, head), np.zeros(head.pixels.shape, np.float32)
    with pytest.raises(RequestError) as caught:
        deletion_and_insertion(asked, heat, steps=1)
    assert caught.value.code == "steps_out_of_range"
    with pytest.raises(RequestError) as caught:
        deletion_and_insertion(asked, heat, fill="blurr")
    assert caught.value.code == "fill_unknown"
