"""Tests of the registration: it recovers the transform of a duplicate, whatever its tones."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gadolin.duplicates.canvas import SIDE, on_canvas
from gadolin.duplicates.keypoints import find_keypoints
from gadolin.duplicates.registration import NOTHING, overlays

pytestmark = pytest.mark.slow

MIDDLE = ((SIDE - 1) / 2, (SIDE - 1) / 2)


@pytest.fixture(scope="module")
def canvases(slices):
    return on_canvas(slices)


def laid_over(one, other, *, mirrored=False):
    """Register each image of ``one`` to the image of ``other`` with the same index."""
    both = np.concatenate([one, other])
    pairs = [(number, number + len(one), mirrored) for number in range(len(one))]
    return overlays(both, find_keypoints(both), pairs)


@pytest.mark.parametrize("degrees", [-10, -3, 0, 8, 45, 170])
@pytest.mark.parametrize("scale", [0.7, 1.0, 1.2])
def test_a_known_rotation_and_scale_is_told(canvases, degrees, scale):
    """Within 1.5 pixels at the rim of the head, scaled with it; one registration may fail."""
    matrix = cv2.getRotationMatrix2D(MIDDLE, -degrees, scale)  # OpenCV's angles are counter-clockwise
    moved = np.stack([cv2.warpAffine(one, matrix, (SIDE, SIDE)) for one in canvases])
    near = [one for one in laid_over(canvases, moved) if one.correlation > 0.94]
    assert len(near) >= len(canvases) - 1
    rim = 1.5 / (0.45 * SIDE)
    for one in near:
        assert one.degrees == pytest.approx(degrees, abs=np.degrees(rim / scale))
        assert one.scale == pytest.approx(scale, abs=rim)
        assert not one.mirrored
    assert np.median([abs(one.degrees - degrees) for one in near]) < 0.75


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


@pytest.mark.parametrize("margin", [0, 20])
def test_each_pair_has_the_overlay_that_it_has_alone(canvases, margin):
    """Also where heads reach the upper edge (``margin`` rows are cut), next to the previous image of a block."""
    cut = np.stack([cv2.resize(one[margin:], (SIDE, SIDE), interpolation=cv2.INTER_AREA) for one in canvases])
    keypoints = find_keypoints(cut)
    pairs = [(0, 1, False), (2, 2, False), (3, 3, True), (5, 7, True), (6, 6, True), (8, 8, True)]
    together = overlays(cut, keypoints, pairs)
    for pair, one in zip(pairs, together, strict=True):
        assert overlays(cut, keypoints, [pair]) == [one]
