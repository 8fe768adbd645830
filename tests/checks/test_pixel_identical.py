"""Tests of the check for different files with identical pixels."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gadolin.checks.duplicates import pixel_identical


def same(*digests):
    return [{"digest": digest, "facts": {"pixels": "same"}} for digest in digests]


def test_a_picture_in_two_files_is_told(dataset):
    (found,) = pixel_identical(dataset(*same("a", "b"), {}))
    assert found.members == (("0.png", "1.png"),)


def test_files_that_are_the_same_altogether_are_left_to_the_other_check(dataset):
    assert pixel_identical(dataset(*same("a", "a"))) == []


def test_a_picture_saved_as_png_and_bmp_is_found_on_disk(lay_out, kinds, rng):
    root = lay_out()
    picture = next((root / "glioma").iterdir())
    Image.fromarray(np.asarray(Image.open(picture))).save(root / "glioma" / "again.bmp")
    (found,) = kinds(root)["pixel_identical"]
    assert set(found.members[0]) == {f"glioma/{picture.name}", "glioma/again.bmp"}
