"""Tests of the check for inverted greyscale."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gadolin.checks.images import inverted


def test_a_negative_is_told(lay_out, kinds, small_phantoms):
    picture = np.asarray(Image.open(next((small_phantoms / "Training" / "glioma").iterdir())))
    (found,) = kinds(lay_out(more={"glioma/negative.png": 255 - picture}))["inverted"]
    assert found.members == (("glioma/negative.png",),)


def test_pictures_on_black_are_fine(dataset):
    assert inverted(dataset({}, {})) == []
