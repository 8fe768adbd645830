"""Tests of the canvas of the duplicate search: tones and bars make no difference."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.duplicates.canvas import SIDE, on_canvas


@pytest.mark.slow
def test_a_canvas_is_small_and_of_bytes(slices):
    canvases = on_canvas(slices)
    assert canvases.shape == (len(slices), SIDE, SIDE)
    assert canvases.dtype == np.uint8
    assert on_canvas(slices[:0]).shape == (0, SIDE, SIDE)


def test_each_slice_has_the_canvas_that_it_has_alone(slices):
    alone = [on_canvas(one[None])[0] for one in slices]
    assert np.array_equal(on_canvas(slices), np.stack(alone))


@pytest.mark.parametrize("factor", [0.4, 0.7])
def test_contrast_makes_no_difference(slices, factor):
    other = np.rint(factor * slices).astype(np.uint8)
    assert np.abs(on_canvas(other).astype(float) - on_canvas(slices)).mean() < 5


@pytest.mark.parametrize("gamma", [0.5, 0.8, 1.25, 2.0])
def test_gamma_makes_little_difference_where_air_is_black_and_tissue_is_not_dark(slices, gamma):
    """A third of the maximum is still above a tenth when squared, so the tissue mask stays the same."""
    bright = np.percentile(slices, 99.5, axis=(1, 2))[:, None, None]
    clear = np.where(slices > 0.35 * bright, slices, 0).astype(np.uint8)
    other = np.rint(255 * (clear / 255) ** gamma).astype(np.uint8)
    raw = np.abs(other.astype(float) - clear).mean()
    assert np.abs(on_canvas(other).astype(float) - on_canvas(clear)).mean() < 0.25 * raw


@pytest.mark.parametrize("gamma", [0.8, 1.25])
def test_a_mild_gamma_makes_less_difference_than_before(slices, gamma):
    other = np.rint(255 * (slices / 255) ** gamma).astype(np.uint8)
    raw = np.abs(other.astype(float) - slices).mean()
    assert np.abs(on_canvas(other).astype(float) - on_canvas(slices)).mean() < 0.5 * raw


@pytest.mark.parametrize("tone", [60, 255])
def test_plain_bars_at_the_sides_are_blackened(slices, tone):
    barred = slices.copy()
    barred[:, :40], barred[:, :, -30:] = tone, tone
    canvases = on_canvas(barred)
    assert not canvases[:, :16].any()
    assert not canvases[:, :, -12:].any()
    assert canvases[:, 40:-40, 40:-40].any()


@pytest.mark.parametrize("value", [0, 7, 255])
def test_a_plain_picture_has_a_canvas_too(value):
    assert np.ptp(on_canvas(np.full((1, 256, 256), value, np.uint8))) == 0


@pytest.mark.parametrize("axis", [0, 1])
def test_stripes_from_side_to_side_have_a_canvas(axis):
    stripes = np.moveaxis(np.tile(np.arange(256, dtype=np.uint8), (256, 1)), 1, axis)
    assert on_canvas(stripes[None]).any()


def test_a_flat_ramp_is_one_bar_and_kept():
    ramp = np.tile(np.linspace(100, 106, 256).astype(np.uint8), (256, 1))
    assert on_canvas(np.stack([ramp, ramp.T])).any(axis=(1, 2)).all()


@pytest.mark.parametrize("shape", [(16, 16), (64, 200), (500, 500)])
def test_slices_of_any_size_fit(shape, rng):
    assert on_canvas(rng.integers(0, 256, (2, *shape), dtype=np.uint8)).shape == (2, SIDE, SIDE)
