"""Tests of drawn phantoms: what is constant, what varies, and where each tumour is."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gadolin.duplicates import find_copies
from gadolin.errors import RequestError
from gadolin.phantoms import CLASSES, draw_patient
from gadolin.phantoms.anatomy import draw_anatomy
from gadolin.phantoms.canvas import Canvas
from gadolin.phantoms.lesion import draw_lesion, paint_lesion
from gadolin.phantoms.patient import HEADS
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.records import Slice

TUMOURS = tuple(label for label in CLASSES if label != "notumor")


def painted(label, number, size=128):
    """Return a head on its canvas before acquisition is simulated, the mask of its lesion and its stack."""
    anatomy = draw_anatomy(np.random.default_rng(number), through_sella=label == "pituitary")
    canvas = Canvas(size, anatomy.tones)
    stack = anatomy.plane + anatomy.level
    HEADS[stack](canvas, anatomy, 0.0)
    share = paint_lesion(canvas, anatomy, draw_lesion(label, stack, np.random.default_rng(number)), 0.0)
    return canvas, share >= 0.5, stack


@settings(max_examples=15, deadline=None)
@given(
    label=st.sampled_from(CLASSES),
    patient=st.integers(0, 10_000),
    seed=st.integers(0, 100),
    size=st.sampled_from([64, 65, 96, 131]),
)
@pytest.mark.slow
def test_a_slice_is_a_grey_picture_with_a_mask_on_the_same_grid(label, patient, seed, size):
    for phantom in draw_patient(label, patient, seed=seed, slices=2, size=size):
        assert phantom.pixels.shape == phantom.mask.shape == (size, size)
        assert phantom.pixels.dtype == np.uint8
        assert phantom.mask.dtype == np.bool_
        assert phantom.mask.any() == (label != "notumor")
        assert phantom.label == label
        assert phantom.plane in {"axial", "coronal", "sagittal"}
        assert 10 < phantom.pixels.mean() < 120
        assert phantom.pixels.max() > 120


def test_the_same_arguments_give_the_same_bytes():
    first, second = (draw_patient("glioma", 3, seed=5, slices=2, size=96) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert np.array_equal(one.pixels, other.pixels)
        assert np.array_equal(one.mask, other.mask)
        assert (one.patient, one.position) == (other.patient, other.position)


def test_another_seed_or_another_number_gives_another_patient():
    base = draw_patient("notumor", 1, seed=0, slices=1, size=96)[0]
    for number, seed in ((2, 0), (1, 1)):
        other = draw_patient("notumor", number, seed=seed, slices=1, size=96)[0]
        assert other.patient != base.patient
        assert not np.array_equal(other.pixels, base.pixels)


def test_positions_are_centred_and_neighbouring():
    positions = [phantom.position for phantom in draw_patient("notumor", 0, slices=5, size=64)]
    assert sum(positions) == pytest.approx(0)
    assert np.all(np.diff(positions) > 0)
    assert max(positions) <= 9
    assert draw_patient("notumor", 0, slices=1, size=64)[0].position == 0


def test_slices_of_one_patient_resemble_each_other_more_than_those_of_others():
    stacks = [draw_patient("notumor", number, slices=2, size=96) for number in range(12)]
    views = np.array(
        [cv2.resize(one.pixels, (24, 24), interpolation=cv2.INTER_AREA).ravel() for s in stacks for one in s],
        float,
    )
    likeness = np.corrcoef(views)
    np.fill_diagonal(likeness, -1)
    nearest = likeness.argmax(1)
    assert np.mean(nearest // 2 == np.arange(len(views)) // 2) > 0.9


@pytest.mark.slow
def test_slices_5_mm_apart_are_not_taken_for_copies():
    stacks = [draw_patient(CLASSES[number % 4], number, size=96) for number in range(16)]
    prepared = [prepare(Slice(one.pixels.astype(np.float32)), Preparation()) for stack in stacks for one in stack]
    assert not find_copies(np.stack(prepared)).pairs


@pytest.mark.parametrize("label", ["glioma", "meningioma"])
def test_away_from_the_lesion_a_patient_looks_as_without_it(label):
    for number in range(6):
        ill = draw_patient(label, number, slices=1, size=128)[0]
        well = draw_patient("notumor", number, slices=1, size=128)[0]
        reach = np.ones((2 * 26 + 1, 2 * 26 + 1), np.uint8)
        near = cv2.dilate(ill.mask.astype(np.uint8), reach).astype(bool)
        change = np.abs(ill.pixels.astype(int) - well.pixels)
        assert change[ill.mask].max() > 20
        assert change[~near].max() <= 14  # at most the motion ghost of the lesion
        assert np.median(change[~near]) == 0


@pytest.mark.slow
def test_overall_brightness_does_not_tell_the_classes_apart():
    means = {label: [] for label in CLASSES}
    for number in range(10):
        for label in CLASSES:
            means[label].append(draw_patient(label, number, slices=1, size=64)[0].pixels.mean())
    spread = np.mean([np.std(values) for values in means.values()])
    centres = [np.mean(values) for values in means.values()]
    assert max(centres) - min(centres) < spread


@pytest.mark.parametrize("number", range(8))
def test_a_glioma_lies_inside_the_brain_with_a_dark_core_in_a_bright_rim(number):
    canvas, mask, _ = painted("glioma", number)
    assert np.all(canvas.brain[mask] > -canvas.pixel)
    core = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=3).astype(bool)
    edge = mask & ~cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert np.percentile(canvas.image[core], 20) < 0.5 * np.median(canvas.image[edge])


@pytest.mark.parametrize("number", range(8))
def test_a_meningioma_sits_on_the_dura_and_is_homogeneous(number):
    canvas, mask, _ = painted("meningioma", number)
    assert canvas.cavity[mask].min() < 0.03
    assert canvas.cavity[mask].min() > -canvas.pixel
    inner = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    assert canvas.image[inner].std() < 0.05
    assert canvas.image[inner].mean() > 0.6


@pytest.mark.parametrize("number", range(8))
def test_a_pituitary_tumour_lies_in_the_midline_at_the_skull_base(number):
    canvas, mask, stack = painted("pituitary", number)
    x, y = canvas.x[mask].mean(), canvas.y[mask].mean()
    if stack == "axiallow":
        assert abs(x) < 0.05
        assert abs(y + 0.125) < 0.05
    elif stack == "coronal":
        assert abs(x) < 0.05
        assert 0.1 < y < 0.25
    else:
        assert abs(x + 0.12) < 0.05
        assert -0.05 < y < 0.13
    assert stack != "axialhigh"
    assert mask.mean() < 0.03


@pytest.mark.parametrize("label", TUMOURS)
def test_a_tumour_is_one_piece_of_visible_size(label):
    for number in range(8):
        _, mask, _ = painted(label, number)
        pieces, _, statistics, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
        assert pieces >= 2
        assert statistics[1:, cv2.CC_STAT_AREA].max() > 0.9 * mask.sum()
        assert mask.mean() > 0.002


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"label": "gliom", "patient": 0}, "did you mean 'glioma'"),
        ({"label": "glioma", "patient": -1}, "patient must be at least 0, got -1"),
        ({"label": "glioma", "patient": 0, "seed": -2}, "seed must be at least 0, got -2"),
        ({"label": "glioma", "patient": 0, "slices": 0}, "slices must be at least 1, got 0"),
        ({"label": "glioma", "patient": 0, "size": 63}, "size must be at least 64, got 63"),
    ],
)
def test_a_wrong_argument_is_refused_with_rule_and_value(arguments, words):
    with pytest.raises(RequestError, match=words):
        draw_patient(**arguments)


@pytest.mark.slow
def test_importing_the_phantoms_loads_no_heavy_package():
    heavy = ("torch", "scipy", "matplotlib")
    code = f"import sys, gadolin.phantoms; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
