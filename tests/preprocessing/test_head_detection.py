"""Tests of the head finder and the bar finder."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from gadolin.preprocessing.bars import inside_bars
from gadolin.preprocessing.head_detection import find_head, within_hull


@pytest.fixture
def picture():
    """A grey disc of radius 30 on black, with a bright dot beside it."""
    drawn = np.zeros((100, 120), np.uint8)
    cv2.circle(drawn, (60, 50), 30, 120, -1)
    cv2.circle(drawn, (110, 90), 3, 250, -1)
    return drawn


def test_the_head_is_the_largest_bright_thing(picture):
    inside = within_hull(find_head(picture), picture.shape)
    assert inside[50, 60] == 1
    assert inside[90, 110] == 0
    assert int(inside.sum()) == pytest.approx(np.pi * 30**2, rel=0.03)


def test_the_hull_closes_what_is_cut_out_of_the_rim(picture):
    picture[48:52, 60:] = 0
    assert within_hull(find_head(picture), picture.shape)[50, 80] == 1


@pytest.mark.parametrize(("above", "found"), [(100, True), (130, False)])
def test_a_threshold_in_units_of_the_picture_takes_the_place_of_otsus(picture, above, found):
    pixels = np.where(picture == 250, 0, picture).astype(np.float32)
    assert (find_head(pixels, above=above) is not None) is found


def test_a_thin_bridge_joins_nothing_where_it_is_opened(picture):
    picture[49:51, :60] = 120
    left = [cv2.boundingRect(find_head(picture, opened=side))[0] for side in (0, 5)]
    assert left == [0, 31]


def test_in_a_dark_picture_there_is_no_head():
    nothing = find_head(np.zeros((20, 30), np.uint8))
    assert nothing is None
    assert not within_hull(nothing, (20, 30)).any()


def bright(lines):
    return lines.min(axis=1) > 200


def test_bars_are_taken_off_on_every_side_and_again_where_others_come_to_light():
    picture = np.zeros((60, 80), np.uint8)
    picture[:5] = picture[50:] = 255
    picture[:, :7] = picture[:, 79:] = 255
    assert inside_bars(picture, bright) == (slice(5, 50), slice(7, 79))
    picture[0, 40] = 0  # the rows above are no longer a bar
    assert inside_bars(picture, bright) == (slice(0, 50), slice(7, 79))


def test_at_least_half_of_the_picture_stays():
    picture = np.zeros((60, 80), np.uint8)
    picture[:31] = 255
    assert inside_bars(picture, bright) == (slice(0, 60), slice(0, 80))
    assert inside_bars(np.full((60, 80), 255, np.uint8), bright) == (slice(0, 60), slice(0, 80))


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9, 15, 29])
def test_a_bar_of_any_width_is_counted_to_the_line(count):
    picture = np.zeros((60, 80), np.uint8)
    picture[:count] = 255
    assert inside_bars(picture, bright)[0] == slice(count, 60)
