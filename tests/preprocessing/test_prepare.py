"""Tests of preparation: output shape, intensity scaling, head crop, and refused input."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadolin.phantoms import CLASSES, draw_patient
from gadolin.preprocessing.head_crop import Box, percentile
from gadolin.preprocessing.prepare import Preparation, find_frame, prepare
from gadolin.records import Slice

USUAL = Preparation()
WHOLE = Preparation(crop=False)
TIGHT = Preparation(margin=0.0)


def floats(pixels):
    return np.asarray(pixels, np.float32)


def head(centre=(150, 110), radii=(70, 50), shape=(256, 320), value=160):
    """Return an 8-bit slice of one bright ellipse; centre (x, y) and radii along x and y, in pixels."""
    canvas = np.zeros(shape, np.uint8)
    cv2.ellipse(canvas, centre, radii, 0, 0, 360, value, -1)
    return Slice(floats(canvas))


@pytest.fixture(scope="module")
def phantoms():
    return [draw_patient(label, number, slices=1, size=200)[0].pixels for number, label in enumerate(CLASSES)]


@pytest.mark.parametrize("shape", [(16, 16), (256, 256), (300, 200), (64, 512)])
@pytest.mark.parametrize("preparation", [USUAL, WHOLE, replace(USUAL, square=False)])
def test_the_result_is_always_a_square_of_bytes(shape, preparation, rng):
    prepared = prepare(Slice(floats(rng.integers(0, 256, shape))), preparation)
    assert prepared.shape == (256, 256)
    assert prepared.dtype == np.uint8


def test_the_size_is_the_one_asked_for():
    assert prepare(head(), Preparation(size=96)).shape == (96, 96)


def test_a_picture_of_the_right_size_is_left_as_it_is(rng):
    pixels = rng.integers(0, 256, (256, 256)).astype(np.uint8)
    np.testing.assert_array_equal(prepare(Slice(floats(pixels)), WHOLE), pixels)


def test_the_same_slice_gives_the_same_bytes(phantoms):
    for pixels in phantoms:
        first, second = (prepare(Slice(floats(pixels.copy())), USUAL) for _ in range(2))
        assert first.tobytes() == second.tobytes()


def test_the_slice_itself_is_not_changed(phantoms):
    image = Slice(floats(phantoms[0]))
    prepare(image, USUAL)
    np.testing.assert_array_equal(image.pixels, phantoms[0])


def test_shrinking_averages_areas():
    pixels = np.zeros((512, 512), np.float32)
    pixels[::2, ::2] = 200
    np.testing.assert_array_equal(prepare(Slice(pixels), WHOLE), np.full((256, 256), 50))


def test_eight_bits_are_scaled_from_nothing_to_255_whatever_they_hold():
    black, white = (find_frame(head(value=value), USUAL) for value in (40, 255))
    assert (black.black, black.white) == (white.black, white.white) == (0, 255)


def test_an_eight_bit_picture_whose_maximum_is_one_stays_dark():
    pixels = np.ones((256, 256), np.float32)
    np.testing.assert_array_equal(prepare(Slice(pixels), WHOLE), np.ones((256, 256)))


def test_deep_pixels_are_scaled_between_the_percentiles_inside_the_head():
    pixels = np.zeros((256, 256), np.float32)
    pixels[0, :200] = np.linspace(1, 1000, 200)
    preparation = Preparation(crop=False, low_percentile=10, high_percentile=90)
    frame = find_frame(Slice(pixels, bits=16), preparation)
    assert frame.black == pytest.approx(1 + 0.1 * 999, rel=1e-3)
    assert frame.white == pytest.approx(1 + 0.9 * 999, rel=1e-3)


def test_deep_pixels_beyond_the_percentiles_are_black_and_white():
    ramp = np.tile(np.linspace(0, 4000, 256), (256, 1))
    prepared = prepare(Slice(floats(ramp), bits=16), Preparation(crop=False, low_percentile=25, high_percentile=75))
    assert (prepared[:, :60] == 0).all()
    assert (prepared[:, -60:] == 255).all()
    assert 125 <= prepared[0, 128] <= 130


def test_a_bright_pixel_outside_the_head_does_not_set_the_range_of_deep_files():
    plain = head()
    spoiled = plain.pixels * 100
    spoiled[2:6, 2:6] = 65_000
    frames = [find_frame(Slice(pixels, bits=16), TIGHT) for pixels in (plain.pixels * 100, spoiled)]
    assert frames[0] == frames[1]
    assert frames[0].white == 16_000


@settings(max_examples=10)
@given(st.floats(0.1, 100), st.floats(-500, 500))
def test_a_deep_slice_in_other_units_is_prepared_alike(phantoms, scale, shift):
    values = floats(phantoms[0])
    small = Preparation(size=64)
    prepared = [prepare(Slice(floats(pixels), bits=16), small) for pixels in (values, values * scale + shift)]
    assert np.abs(np.subtract(*prepared, dtype=float)).max() <= 1


def test_a_deep_slice_and_its_eight_bit_picture_are_prepared_nearly_alike(phantoms):
    for pixels in phantoms:
        stretched = np.clip(pixels * (255 / np.percentile(pixels[pixels > 0], 99.9)), 0, 255)
        shown = prepare(Slice(floats(np.rint(stretched))), USUAL)
        deep = prepare(Slice(floats(stretched * 13.7 + 40), bits=16), USUAL)
        assert np.abs(np.subtract(shown, deep, dtype=float)).mean() < 4


@pytest.mark.parametrize(("low", "high", "most"), [(0.5, 99.9, 4), (0.5, 99.5, 12), (0, 100, 12)])
def test_a_scanners_file_and_a_viewers_picture_of_it_are_prepared_nearly_alike(low, high, most):
    for number in range(8):
        (phantom,) = draw_patient(CLASSES[number % 4], number, seed=2, slices=1, size=128)
        deep = floats(phantom.pixels) * 13 + 40
        black, white = np.percentile(deep[deep > deep.min()], (low, high))
        shown = np.clip(np.rint((deep - black) * (255 / (white - black))), 0, 255)
        ours, theirs = (prepare(Slice(*each), USUAL).astype(float) for each in ((deep, 16), (floats(shown), 8)))
        assert np.abs(ours - theirs).mean() < most
        assert np.corrcoef(ours.ravel(), theirs.ravel())[0, 1] > 0.995


@pytest.mark.parametrize("value", [-40, 0, 700])
def test_a_deep_picture_of_one_value_is_black(value):
    assert (prepare(Slice(np.full((64, 90), value, np.float32), bits=16), USUAL) == 0).all()


def test_a_deep_picture_of_two_values_is_black_and_white():
    pixels = np.full((256, 256), 100, np.float32)
    pixels[64:192, 64:192] = 900
    np.testing.assert_array_equal(prepare(Slice(pixels, bits=16), WHOLE), np.where(pixels == 900, 255, 0))


def test_the_crop_finds_a_head_that_is_off_centre():
    frame = find_frame(head(), replace(TIGHT, square=False))
    assert frame.found
    np.testing.assert_allclose(frame.box, Box(top=60, left=80, height=101, width=141), atol=3)


def test_the_margin_is_a_share_of_the_longer_side():
    tight, wide = (find_frame(head(), Preparation(margin=share, square=False)).box for share in (0.0, 0.1))
    grown = round(0.1 * tight.width)
    assert wide == Box(tight.top - grown, tight.left - grown, tight.height + 2 * grown, tight.width + 2 * grown)


def test_the_margin_stops_at_the_border_of_the_picture():
    box = find_frame(head(shape=(200, 260)), Preparation(margin=0.5, square=False)).box
    assert (box.top, box.height) == (0, 200)
    assert box.left + box.width == 260


@given(st.integers(80, 220), st.integers(70, 180))
def test_the_crop_follows_the_head(x, y):
    image = head(centre=(x, y), radii=(60, 50))
    box = find_frame(image, TIGHT).box
    assert abs(box.left + box.width / 2 - x) <= 2
    assert abs(box.top + box.height / 2 - y) <= 2


def test_a_square_box_keeps_the_proportions_and_pads_with_black():
    pixels = np.full((200, 400), 180, np.float32)
    prepared = prepare(Slice(pixels), WHOLE)
    assert (prepared[:64] == 0).all()
    assert (prepared[64:192] == 180).all()
    assert (prepared[192:] == 0).all()


def test_without_square_the_picture_is_stretched():
    prepared = prepare(Slice(np.full((100, 200), 180, np.float32)), replace(WHOLE, square=False))
    assert (prepared == 180).all()


def test_the_padding_of_a_deep_picture_is_as_black_as_its_darkest_tissue():
    pixels = np.tile(np.linspace(1000, 3000, 200), (100, 1))
    prepared = prepare(Slice(floats(pixels), bits=16), WHOLE)
    assert (prepared[:60] == 0).all()
    assert prepared[128].max() == 255


@pytest.mark.parametrize("thickness", [1, 3, 8])
def test_a_bright_frame_around_the_picture_is_peeled_off(thickness):
    image = head()
    crop_resize = image.pixels.copy()
    crop_resize[:thickness], crop_resize[-thickness:], crop_resize[:, :thickness], crop_resize[:, -thickness:] = (
        255,
        255,
        255,
        255,
    )
    plain, peeled = (find_frame(Slice(pixels), USUAL) for pixels in (image.pixels, crop_resize))
    assert peeled.found
    np.testing.assert_allclose(peeled.box, plain.box, atol=2)


@pytest.mark.parametrize("value", [0, 60, 255])
def test_a_blank_picture_is_used_whole_and_says_so(value):
    frame = find_frame(Slice(np.full((40, 60), value, np.float32)), replace(USUAL, square=False))
    assert not frame.found
    assert frame.box == Box(0, 0, 40, 60)


def test_a_speck_is_no_head():
    assert not find_frame(head(radii=(20, 20)), USUAL).found


def test_a_long_bar_is_no_head():
    pixels = np.zeros((256, 256), np.float32)
    pixels[100:140, 10:246] = 200
    assert not find_frame(Slice(pixels), USUAL).found


def test_without_crop_nothing_is_looked_for():
    frame = find_frame(head(), WHOLE)
    assert not frame.found
    assert frame.box == Box(top=-32, left=0, height=320, width=320)


def test_a_phantom_fills_its_prepared_picture(phantoms):
    for pixels in phantoms:
        frame = find_frame(Slice(floats(pixels)), USUAL)
        assert frame.found
        rows, columns = np.nonzero(prepare(Slice(floats(pixels)), USUAL) > 40)
        assert max(np.ptp(rows), np.ptp(columns)) > 0.9 * 256


def test_a_frozen_frame_cannot_be_moved_by_the_pixels():
    image = head()
    frame = find_frame(image, USUAL)
    covered = image.pixels.copy()
    covered[:, :150] = 0
    held = prepare(Slice(covered), USUAL, frame)
    plain = prepare(image, USUAL)
    np.testing.assert_array_equal(held[:, 140:], plain[:, 140:])
    assert find_frame(Slice(covered), USUAL).box != frame.box


def test_a_frozen_frame_also_freezes_the_range_of_deep_pixels():
    image = Slice(head().pixels * 100, bits=16)
    brighter = Slice(image.pixels * 0.5, bits=16)
    frame = find_frame(image, USUAL)
    assert prepare(image, USUAL, frame).max() == 255
    assert prepare(brighter, USUAL, frame).max() == 128


def test_giving_the_found_frame_changes_nothing(phantoms):
    for pixels in phantoms:
        image = Slice(floats(pixels))
        np.testing.assert_array_equal(prepare(image, USUAL, find_frame(image, USUAL)), prepare(image, USUAL))


@pytest.mark.parametrize("gamma", [0.6, 1.5, 1.8])
@pytest.mark.parametrize("patient", [2, 3, 4, 5])
def test_a_darker_or_brighter_rendering_is_cut_to_the_same_head(gamma, patient):
    for label in ("glioma", "meningioma", "notumor"):  # without the skull base, which falls into islands when dark
        pixels = floats(draw_patient(label, patient, slices=1, size=200)[0].pixels)
        plain, other = (find_frame(Slice(one), TIGHT) for one in (pixels, np.rint(255 * (pixels / 255) ** gamma)))
        assert other.found
        assert np.abs(np.subtract(plain.box, other.box)).max() <= 2


def test_a_grey_head_is_not_cut_to_the_bright_parts_within(rng):
    canvas = np.zeros((200, 200), np.float32)
    for radii, tone in (((60, 80), 110), ((55, 74), 40), ((50, 68), 70), ((20, 28), 100), ((14, 16), 250)):
        cv2.ellipse(canvas, (100, 100), radii, 0, 0, 360, tone, -1)  # scalp, bone, two tissues and a lesion
    textured = np.clip(cv2.GaussianBlur(canvas, (5, 5), 0) + rng.normal(0, 3, canvas.shape), 0, 255)
    box = find_frame(Slice(floats(textured)), TIGHT).box
    assert np.abs(np.subtract(box, (20, 20, 161, 161))).max() <= 3


@pytest.mark.parametrize("tone", [128, 255])
def test_bright_bars_beside_the_picture_do_not_hide_the_head(phantoms, tone):
    for pixels in phantoms:
        barred = np.pad(pixels, ((20, 9), (30, 4)), constant_values=tone)
        plain, other = (find_frame(Slice(floats(one)), TIGHT) for one in (pixels, barred))
        assert other.found
        assert np.abs(np.subtract(plain.box, other.box) + np.array([20, 30, 0, 0])).max() <= 2


def test_a_picture_of_one_bright_tone_holds_no_head():
    assert not find_frame(Slice(np.full((64, 64), 200, np.float32)), USUAL).found


@given(st.integers(1, 300), st.floats(0, 100), st.integers(0, 1000))
def test_percentiles_from_counts_are_those_of_numpy(count, percent, seed):
    working = np.random.default_rng(seed).integers(0, 256, (count, 2)).astype(np.uint8)
    assert percentile(working, percent) == pytest.approx(np.percentile(working, percent), abs=1e-6)
