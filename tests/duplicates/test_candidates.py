"""Tests of the candidate search: duplicates are found, each pair once, with few other pairs."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.duplicates import candidates as module
from gadolin.duplicates.candidates import candidates
from gadolin.duplicates.canvas import SIDE, on_canvas
from gadolin.duplicates.keypoints import find_keypoints

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def keypoints(slices):
    turned = np.rot90(slices, axes=(1, 2))
    return find_keypoints(on_canvas(np.concatenate([slices, slices[:, :, ::-1], turned])))


def told(keypoints):
    return [pair for _, pairs in candidates(keypoints) for pair in pairs]


def test_mirrored_and_turned_copies_are_candidates(keypoints, slices):
    pairs, count = set(told(keypoints)), len(slices)
    assert all((one, one + count, True) in pairs for one in range(count))
    assert all((one, one + 2 * count, False) in pairs for one in range(count))


def test_each_pair_is_told_once_and_the_smaller_number_first(keypoints):
    pairs = told(keypoints)
    assert len(pairs) == len(set(pairs))
    assert all(first < second for first, second, _ in pairs)


def test_few_pairs_of_different_slices_are_candidates(draw_stack):
    """This does not hold for a handful of slices: there the nearest features belong to any other slice."""
    others = np.concatenate([draw_stack(1, 1, seed) for seed in range(80)])
    assert len(told(find_keypoints(on_canvas(others)))) < len(others)


@pytest.mark.parametrize("blank", [0, 1, 4])
def test_pictures_without_features_have_no_candidates(blank):
    assert told(find_keypoints(np.zeros((blank, SIDE, SIDE), np.uint8))) == []


def test_a_picture_without_features_among_others_has_no_candidates(slices):
    canvases = on_canvas(slices[[0, 1, 0]])
    canvases[1] = 0
    pairs = told(find_keypoints(canvases))
    assert (0, 2, False) in pairs
    assert {pair[:2] for pair in pairs} == {(0, 2)}  # a head may resemble its own mirror image


def test_blocks_say_how_many_pictures_were_asked_about(keypoints, monkeypatch):
    whole = told(keypoints)
    monkeypatch.setattr(module, "_BLOCK", 10)
    blocks = list(candidates(keypoints))
    assert [done for done, _ in blocks] == [10, 20, 30, 36]
    assert sorted(pair for _, pairs in blocks for pair in pairs) == sorted(whole)


def test_cells_find_what_comparing_every_feature_finds(keypoints, monkeypatch):
    exact = set(told(keypoints))
    monkeypatch.setattr(module, "_EXACT", 0)
    by_cells = set(told(keypoints))
    copies = {pair for pair in exact if pair[0] % 12 == pair[1] % 12 and (pair[1] < 24) == pair[2] and pair[0] < 12}
    assert len(copies) >= 24
    assert copies <= by_cells
