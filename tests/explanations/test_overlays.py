"""Tests of explanations as values and as pictures: hottest pixel, predicted lesion, and what an overlay shows."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gadolin.explanations import Explanation, explain
from gadolin.explanations.baselines import head_mask
from gadolin.explanations.overlays import _shown
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.prepare import Preparation, find_frame


@pytest.fixture
def explanation(head):
    """An explanation with heat above 0 in the left half of the slice and below 0 in the right half."""
    heat = np.ones(head.pixels.shape, np.float32)
    heat[:, heat.shape[1] // 2 :] = -2
    heat[40, 60] = 3
    return Explanation("lime", "glioma", heat, 0.9, 1, {}, head, find_frame(head, Preparation()))


def picture_of(content):
    with Image.open(io.BytesIO(content)) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_the_hottest_pixel_is_in_the_pixels_of_the_slice(explanation):
    assert explanation.hottest == (40, 60)
    assert replace(explanation, heat=-np.abs(explanation.heat)).hottest is None


def test_heat_is_drawn_above_zero_and_within_the_head(explanation):
    shown = _shown(explanation)
    inside = head_mask(explanation.image, explanation.frame)
    assert (shown >= 0).all()
    assert not shown[~inside].any()
    assert (shown > 0)[inside].tolist() == (explanation.heat > 0)[inside].tolist()


def test_without_a_head_all_heat_above_zero_is_drawn(explanation):
    whole = replace(explanation, frame=replace(explanation.frame, found=False))
    assert (_shown(whole) > 0).tolist() == (explanation.heat > 0).tolist()


@pytest.mark.slow
def test_blue_is_drawn_only_when_asked(explanation):
    plain, signed = picture_of(explanation.as_png()), picture_of(explanation.as_png(signed=True))
    assert plain.shape == signed.shape
    blue = [np.count_nonzero(one[..., 2] - one[..., 0] > 60) for one in (plain, signed)]
    assert blue[0] < blue[1] / 10


@pytest.mark.slow
def test_a_picture_is_saved_as_it_is_shown(explanation, tmp_path):
    explanation.save(tmp_path / "why.png")
    assert (tmp_path / "why.png").read_bytes() == explanation.as_png()


@pytest.fixture
def outlining(run_folder):
    """The predictor of the run as if its network had learned from outlines."""
    loaded = Predictor.load(run_folder)
    return Predictor(replace(loaded.bundle, facts={"evidence": "outlines"}), loaded.run_network)


@pytest.mark.slow
def test_the_outline_is_where_evidence_exceeds_the_background(outlining, head):
    found = explain(outlining, head, label="glioma")
    assert found.outline.dtype == np.bool_
    assert (found.outline == (found.heat > 0)).all()


@pytest.mark.slow
def test_other_models_and_methods_have_no_outline(outlining, run_folder, looks_at_square, head):
    assert explain(run_folder, head).outline is None
    assert explain(outlining, head, method="gradcam").outline is None
    named = Predictor(replace(outlining.bundle, classes=("glioma", "notumor", "pituitary")), outlining.run_network)
    assert explain(named, head, label="notumor").outline is None
