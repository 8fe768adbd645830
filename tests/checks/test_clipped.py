"""Tests of the check for clipped intensities."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gadolin.checks.images import clipped


def test_a_picture_with_much_pure_white_is_clipped(lay_out, kinds, small_phantoms):
    picture = np.asarray(Image.open(next((small_phantoms / "Training" / "glioma").iterdir())), np.float32)
    more = {"glioma/bright.png": np.clip(picture * 6, 0, 255)}
    (found,) = kinds(lay_out(more=more))["clipped"]
    assert found.members == (("glioma/bright.png",),)


def test_a_few_white_pixels_and_bright_pages_are_not(dataset):
    page = {"facts": {"white": 0.7, "black": 0.1, "inverted": True}}
    assert clipped(dataset({"facts": {"white": 0.01}}, page)) == []
