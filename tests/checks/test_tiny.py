"""Tests of the check for tiny images."""

from __future__ import annotations

from gadolin.checks.images import tiny


def test_the_shorter_side_counts(dataset):
    (found,) = tiny(dataset({"facts": {"width": 300, "height": 127}}, {"facts": {"width": 128, "height": 128}}))
    assert found.members == (("0.png",),)
    assert found.message == "1 of 2 slices (50 %) are tiny: one side has fewer than 128 pixels."
