"""Tests of the mapping from the network's grid back to the pixels of the slice."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.explanations import explain
from gadolin.explanations.explained_slice import onto_slice
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.head_crop import Box
from gadolin.preprocessing.prepare import Preparation


def test_each_cell_comes_to_lie_where_it_was_cut_from():
    heat = np.array([[1, 2], [3, 4]], np.float32)
    found = onto_slice(heat, Box(top=2, left=3, height=4, width=4), (8, 10), smooth=False)
    assert found[2:4, 3:5].tolist() == [[1, 1], [1, 1]]
    assert found[4:6, 5:7].tolist() == [[4, 4], [4, 4]]
    assert found.sum() == 4 * heat.sum()


def test_what_the_box_holds_beyond_the_picture_is_dropped():
    heat = np.arange(16, dtype=np.float32).reshape(4, 4)
    found = onto_slice(heat, Box(top=-1, left=-2, height=4, width=4), (3, 2), smooth=False)
    assert found.tolist() == heat[1:, 2:].tolist()


@given(st.integers(-5, 20), st.integers(-5, 20), st.integers(8, 30), st.integers(8, 30))
def test_a_constant_map_is_constant_inside_the_box_and_nothing_outside(top, left, height, width):
    found = onto_slice(np.ones((5, 7), np.float32), Box(top, left, height, width), (24, 24))
    inside = np.zeros((24, 24), bool)
    inside[max(top, 0) : top + height, max(left, 0) : left + width] = True
    assert found[inside] == pytest.approx(1)
    assert (found[~inside] == 0).all()


@pytest.mark.parametrize("quadrant", range(4))
def test_evidence_lies_in_the_quadrant_that_a_model_looks_at(quadrant, make_bundle, lit_quadrant):
    predictor = Predictor.load(make_bundle(preparation=Preparation(size=64, crop=False)).folder)
    heat = explain(predictor, lit_quadrant(quadrant, size=90)).heat
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert heat.shape == (90, 90)
    assert (row // 45, column // 45) == divmod(quadrant, 2)
