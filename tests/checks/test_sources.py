"""Tests of the check for classes from different sources."""

from __future__ import annotations

import numpy as np

from gadolin.checks.sources import guessed, sources


def rows(count, column):
    """Return rows of glioma from one source and notumor from another."""
    places = {"glioma": "a", "notumor": "b"}
    return [{"label": label} | column(places[label]) for label in places for _ in range(count)]


def test_a_source_that_tells_the_class_is_a_warning(dataset):
    (found,) = sources(dataset(*rows(10, lambda place: {"source": place})))
    assert found.score == 1
    assert "The source of a picture predicts its class for 100 % of the slices" in found.message


def test_a_size_that_tells_the_class_is_a_warning(dataset):
    (found,) = sources(dataset(*rows(10, lambda place: {"facts": {"width": 200 if place == "a" else 256}})))
    assert "The size of a picture" in found.message


def test_sources_that_hold_all_classes_alike_are_fine(dataset):
    mixed = [{"label": label, "source": place} for label in ("glioma", "notumor") for place in "ab" for _ in range(5)]
    assert sources(dataset(*mixed)) == []


def test_sizes_that_all_differ_tell_nothing(dataset):
    assert sources(dataset(*[{"facts": {"width": 200 + number}} for number in range(20)])) == []


def test_a_size_that_only_tells_the_patient_tells_nothing_of_the_class(dataset):
    each = [
        {"label": label, "patient": f"{label}{number}", "facts": {"width": 200 + number, "height": height}}
        for label, height in (("glioma", 200), ("notumor", 300))
        for number in range(15)
        for _ in range(3)
    ]
    assert sources(dataset(*each)) == []


def test_a_size_is_not_told_by_the_copies_of_a_slice(dataset):
    each = [{"copy": str(number // 4), "label": ("glioma", "notumor")[number // 4 % 2]} for number in range(80)]
    sizes = [{"facts": {"width": 200 + number // 4}} for number in range(80)]
    assert sources(dataset(*(one | size for one, size in zip(each, sizes, strict=True)))) == []


def test_a_gain_within_what_chance_gives_is_not_told(dataset):
    labels = ["glioma", "glioma", "glioma", "notumor", "notumor"] + ["glioma", "notumor", "notumor"] * 2
    each = [{"label": label, "facts": {"width": 200 + (row < 5)}} for row, label in enumerate(labels)]
    assert sources(dataset(*each)) == []


def test_unknown_patients_are_told(dataset):
    (found,) = sources(dataset(*rows(10, lambda place: {"source": place})))
    assert "some patients are unknown" in found.message


def test_the_order_of_the_slices_decides_nothing():
    labels, values = ["a", "b"] * 50, [str(row // 4) for row in range(100)]
    order = np.random.default_rng(0).permutation(100)
    groups = [str(row) for row in range(100)]
    straight = guessed(labels, groups, values)
    shuffled = guessed([labels[row] for row in order], [groups[row] for row in order], [values[row] for row in order])
    assert (straight[order] == shuffled).all()
