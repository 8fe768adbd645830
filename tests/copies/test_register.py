"""Promises of the registration: how a copy lies over its original is told right, and its tones do not matter."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.copies.canvas import SIDE, on_canvas
from gadolin.copies.keypoints import find_keypoints
from gadolin.copies.register import NOTHING, overlays

MIDDLE = ((SIDE - 1) / 2, (SIDE - 1) / 2)


@pytest.fixture(scope="module")
def canvases(slices):
    return on_canvas(slices)


def laid_over(one, other, *, mirrored=False):
    """Return how the pictures ``one`` lie over the pictures ``other``, each over its own."""
    both = np.concatenate([one, other])
    pairs = [(number, number + len(one), mirrored) for number in range(len(one))]
    return overlays(both, find_keypoints(both), pairs)


def test_the_mirror_image_is_told(canvases):
    for one in laid_over(canvases, canvases[:, :, ::-1], mirrored=True):
        assert one.mirrored
        assert one.correlation > 0.94
        assert one.degrees == pytest.approx(0, abs=1)
        assert one.scale == pytest.approx(1, abs=0.02)


def test_upside_down_is_mirrored_and_turned_by_180_degrees(canvases):
    for one in laid_over(canvases, canvases[:, ::-1], mirrored=True):
        assert one.correlation > 0.94
        assert abs(one.degrees) == pytest.approx(180, abs=1)


def test_a_picture_lies_over_itself(canvases):
    for one in laid_over(canvases, canvases):
        assert one.correlation == pytest.approx(1, abs=1e-3)
        assert one.degrees == pytest.approx(0, abs=1e-3)
        assert one.scale == pytest.approx(1, abs=1e-5)


def test_any_rising_change_of_tones_makes_no_difference(canvases):
    tissue = canvases > 40
    changed = np.where(tissue, np.rint(40 + 215 * ((canvases.clip(40) - 40.0) / 215) ** 0.6), canvases).astype(np.uint8)
    for one in laid_over(canvases, changed):
        assert one.correlation > 0.97


def test_different_slices_do_not_correlate(canvases):
    for one in laid_over(canvases, np.roll(canvases, 1, axis=0)):
        assert one.correlation < 0.8


def test_pictures_without_features_lie_over_nothing(canvases):
    blank = np.zeros_like(canvases[:2])
    assert laid_over(canvases[:2], blank) == [NOTHING, NOTHING]
    assert laid_over(blank, blank) == [NOTHING, NOTHING]


def test_no_pairs_have_no_overlays(canvases):
    assert overlays(canvases, find_keypoints(canvases), []) == []
