"""Tests of the check for blank images."""

from __future__ import annotations

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from gadolin.checks.images import blank


@pytest.mark.slow
def test_a_picture_of_one_tone_is_blank_whatever_the_tone(lay_out, kinds):
    more = {"glioma/black.png": np.zeros((128, 128)), "notumor/grey.png": np.full((128, 128), 90)}
    (found,) = kinds(lay_out(more=more))["blank"]
    assert {name for (name,) in found.members} == set(more)


def test_a_faint_picture_is_not_to_be_removed(lay_out, kinds, small_phantoms):
    picture = np.asarray(Image.open(next((small_phantoms / "Training" / "glioma").iterdir())))
    more = {"glioma/faint.png": picture // 16, "glioma/black.png": np.zeros((128, 128))}
    blank, faint = kinds(lay_out(more=more))["blank"]
    assert blank.members == (("glioma/black.png",),)
    assert faint.members == (("glioma/faint.png",),)
    assert faint.remedy.startswith("Do not remove them")


def test_deep_pictures_are_neither(lay_out, kinds, small_phantoms):
    root = lay_out()
    picture = np.asarray(Image.open(next((root / "glioma").iterdir())))
    (root / "glioma" / "deep.png").write_bytes(imagecodecs.png_encode(np.dstack([picture.astype(np.uint16) * 16] * 3)))
    assert "blank" not in kinds(root)


@pytest.mark.slow
def test_blank_pictures_are_copies_of_nothing(lay_out, kinds):
    more = {f"glioma/{number}.png": np.zeros((128, 128)) for number in range(3)}
    assert all(
        "glioma/0.png" not in group for one in kinds(lay_out(more=more)).get("near_copies", []) for group in one.members
    )


def test_pictures_that_show_something_are_fine(dataset):
    assert blank(dataset({}, {})) == []
