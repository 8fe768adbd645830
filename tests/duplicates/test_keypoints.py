"""Tests of the local features: few, independent of the batch, and mirrored without a second detection."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gadolin.duplicates.canvas import SIDE, on_canvas
from gadolin.duplicates.keypoints import _detector, _flipped, find_keypoints


@pytest.fixture(scope="module")
def canvases(slices):
    return on_canvas(slices)


@pytest.fixture(scope="module")
def keypoints(canvases):
    return find_keypoints(canvases)


def test_shapes_and_kinds_are_as_told(canvases, keypoints):
    count, most = keypoints.valid.shape
    assert count == len(canvases)
    assert keypoints.places.shape == keypoints.size.shape == keypoints.angle.shape == (count, most)
    assert keypoints.straight.shape == keypoints.mirrored.shape == (count, most, keypoints.straight.shape[2])
    assert keypoints.places.dtype == np.complex64
    kinds = {keypoints.size.dtype, keypoints.angle.dtype, keypoints.straight.dtype, keypoints.mirrored.dtype}
    assert kinds == {np.dtype(np.float32)}


def test_a_slice_has_features_that_lie_within_it(keypoints):
    assert (keypoints.valid.sum(axis=1) >= 20).all()
    places = keypoints.places[keypoints.valid]
    assert ((places.real >= 0) & (places.real < SIDE) & (places.imag >= 0) & (places.imag < SIDE)).all()
    assert (keypoints.size[keypoints.valid] > 0).all()


@pytest.mark.parametrize("count", [0, 1, 3])
def test_pictures_that_show_nothing_have_no_features(count):
    none = find_keypoints(np.zeros((count, SIDE, SIDE), np.uint8))
    assert none.valid.shape[0] == count
    assert not none.valid.any()
    assert np.isfinite(none.straight).all()


def test_the_features_are_the_same_alone_as_among_others(canvases, keypoints):
    alone = find_keypoints(canvases[3:4])
    assert np.array_equal(alone.valid[0], keypoints.valid[3])
    assert np.array_equal(alone.places[0], keypoints.places[3])
    assert np.array_equal(alone.angle[0], keypoints.angle[3])


def test_the_flip_undoes_itself(rng):
    descriptors = rng.integers(0, 256, (20, 128), dtype=np.uint8)
    assert np.array_equal(_flipped(_flipped(descriptors)), descriptors)


def test_a_flipped_descriptor_is_the_descriptor_of_the_mirrored_picture(canvases):
    """Only at full size and above: below, an image and its mirror image are halved at different pixels."""
    sift, flipped, as_it_is = _detector(), [], []
    for canvas in canvases:
        middle = [one for one in sift.detect(canvas, None) if 20 < one.pt[0] < SIDE - 21 and 20 < one.pt[1] < SIDE - 21]
        points = [one for one in middle if one.octave & 255 in (0, 255)]  # octave 255 is -1: twice the size
        there = [
            cv2.KeyPoint(SIDE - 1 - one.pt[0], one.pt[1], one.size, (180 - one.angle) % 360, one.response, one.octave)
            for one in points
        ]
        points, straight = sift.compute(canvas, points)
        there, mirrored = sift.compute(np.ascontiguousarray(canvas[:, ::-1]), there)
        assert len(points) == len(there)
        other = mirrored.astype(float)
        length = np.linalg.norm(other, axis=1)
        flipped += (np.linalg.norm(_flipped(straight) - other, axis=1) / length).tolist()
        as_it_is += (np.linalg.norm(straight - other, axis=1) / length).tolist()
    assert len(flipped) > 100
    assert np.mean(np.array(flipped) < 0.02) > 0.9  # the others lie between two pixels and round to the other one
    assert np.median(as_it_is) > 0.5


def test_mirrored_descriptors_find_the_features_of_the_mirrored_picture(canvases):
    both = find_keypoints(np.concatenate([canvases[:4], canvases[:4, :, ::-1]]))
    for one in range(4):
        asked = both.mirrored[one][both.valid[one]]
        answers = both.straight[one + 4][both.valid[one + 4]]
        distance = ((asked[:, None] - answers) ** 2).sum(axis=2)
        nearest = distance.argmin(axis=1)
        source = both.places[one][both.valid[one]]
        target = both.places[one + 4][both.valid[one + 4]][nearest]
        right = np.abs(SIDE - 1 - source.real + 1j * source.imag - target) < 2
        assert right.mean() > 0.6


def test_it_is_told_how_many_pictures_were_looked_at(canvases):
    told = []
    find_keypoints(canvases, progress=lambda *news: told.append(news))
    assert told[-1] == (len(canvases), len(canvases), "detecting features")
