"""Tests of the check for colour images."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gadolin.checks.images import coloured


def test_a_picture_that_shows_colours_is_told_and_a_grey_one_saved_as_rgb_is_not(lay_out, kinds, small_phantoms):
    grey = np.asarray(Image.open(next((small_phantoms / "Training" / "glioma").iterdir())))
    three = np.dstack([grey, grey, grey])
    marked = three.copy()
    marked[10:40, 10:40] = (255, 0, 0)
    (found,) = kinds(lay_out(more={"glioma/marked.png": marked, "glioma/rgb.png": three}))["coloured"]
    assert found.members == (("glioma/marked.png",),)


def test_grey_pictures_are_fine(dataset):
    assert coloured(dataset({}, {})) == []
