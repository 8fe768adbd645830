"""Tests of heat-map measures against outlines, with scores known by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import average_precision_score

from gadolin.errors import DataError
from gadolin.explanations.scoring.localisation import average_precision, dice, energy_inside, overlap, pointing

OUTLINE = np.zeros((1, 4, 5), bool)
OUTLINE[0, 1:3, 1:3] = True


def heat(*places, value=1.0):
    out = np.zeros((1, 4, 5), np.float32)
    for row, column in places:
        out[0, row, column] = value
    return out


def test_pointing_is_whether_the_hottest_pixel_is_inside():
    assert pointing(heat((1, 1)), OUTLINE) == [1]
    assert pointing(heat((0, 0)), OUTLINE) == [0]


def test_pointing_shares_out_equal_heat():
    assert pointing(heat((1, 1), (0, 0), (0, 1), (2, 2)), OUTLINE) == [0.5]
    assert pointing(heat(), OUTLINE) == [4 / 20]


def test_energy_counts_positive_heat_only():
    assert energy_inside(heat((1, 1)) * 3 + heat((0, 0)), OUTLINE) == pytest.approx([0.75])
    assert energy_inside(heat((1, 1)) - heat((0, 0), value=9), OUTLINE) == [1]
    assert energy_inside(-heat((1, 1)), OUTLINE) == [4 / 20], "a map without positive heat has no score"


def test_overlap_is_that_of_what_is_hotter_than_a_share_of_the_hottest():
    map_ = heat((1, 1), (1, 2)) + heat((0, 0), value=0.6) + heat((3, 3), value=0.4)
    assert overlap(map_, OUTLINE, 0.5) == pytest.approx([2 / 5])
    assert overlap(map_, OUTLINE, 0.7) == pytest.approx([2 / 4])
    assert overlap(heat(), OUTLINE, 0.5) == [0]
    assert overlap(OUTLINE.astype(np.float32), OUTLINE, 0.5) == [1]


def test_dice_takes_what_is_above_nothing():
    assert dice(heat((1, 1), (0, 0)), OUTLINE) == pytest.approx([2 / 6])
    assert dice(OUTLINE.astype(np.float32), OUTLINE) == [1]
    assert dice(-heat((0, 0)), OUTLINE) == [0]


@given(arrays(np.float32, (2, 5, 6), elements=st.sampled_from([0, 0.25, 0.5, 1])), st.integers(0, 99))
def test_average_precision_agrees_with_scikit_learn(maps, seed):
    outlines = np.random.default_rng(seed).random((2, 5, 6)) < 0.3
    outlines[:, 0, 0] = True
    wanted = [average_precision_score(o.ravel(), m.ravel()) for o, m in zip(outlines, maps, strict=True)]
    assert average_precision(maps, outlines) == pytest.approx(wanted)


@given(arrays(np.float32, (3, 4, 5), elements=st.floats(-2, 2, width=16)), st.floats(0.25, 4))
def test_each_map_is_scored_alone_and_its_scale_makes_no_difference(maps, factor):
    outlines = np.repeat(OUTLINE, 3, axis=0)
    for measure in (pointing, energy_inside, average_precision, dice):
        together = measure(maps, outlines)
        assert together == pytest.approx([measure(maps[i : i + 1], OUTLINE)[0] for i in range(3)])
        if measure is not energy_inside:
            assert measure(maps * np.float32(2.0 ** round(np.log2(factor))), outlines) == pytest.approx(together)
        assert ((together >= 0) & (together <= 1)).all()


@pytest.mark.parametrize(
    ("maps", "outlines", "code"),
    [
        (np.zeros((1, 4, 4), np.float32), OUTLINE, "shape_mismatch"),
        (np.zeros((4, 5), np.float32), OUTLINE[0], "shape_mismatch"),
        (np.zeros((1, 4, 5), np.float32), np.zeros((1, 4, 5), bool), "outline_empty"),
        (np.full((1, 4, 5), np.nan, np.float32), OUTLINE, "heat_not_finite"),
    ],
)
def test_maps_that_cannot_be_scored_are_refused(maps, outlines, code):
    with pytest.raises(DataError) as caught:
        pointing(maps, outlines)
    assert caught.value.code == code
