"""Promises about pictures that show nothing."""

from __future__ import annotations

import numpy as np

from gadolin.audit.checks.blank import check


def test_a_picture_of_one_tone_is_blank_whatever_the_tone(lay_out, kinds):
    more = {"glioma/black.png": np.zeros((128, 128)), "notumor/grey.png": np.full((128, 128), 90)}
    (found,) = kinds(lay_out(more=more))["blank"]
    assert {name for (name,) in found.members} == set(more)


def test_blank_pictures_are_copies_of_nothing(lay_out, kinds):
    more = {f"glioma/{number}.png": np.zeros((128, 128)) for number in range(3)}
    assert all(
        "glioma/0.png" not in group for one in kinds(lay_out(more=more)).get("near_copies", []) for group in one.members
    )


def test_pictures_that_show_something_are_fine(subject):
    assert check(subject({}, {})) == []
