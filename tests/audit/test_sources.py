"""Promises about classes from different places."""

from __future__ import annotations

from gadolin.audit.checks.sources import check


def rows(count, column):
    """Return glioma from one place and notumor from another."""
    places = {"glioma": "a", "notumor": "b"}
    return [{"label": label} | column(places[label]) for label in places for _ in range(count)]


def test_a_source_that_tells_the_class_is_a_warning(subject):
    (found,) = check(subject(*rows(10, lambda place: {"source": place})))
    assert found.score == 1
    assert "The source of a picture tells its class in 100 % of the slices" in found.message


def test_a_size_that_tells_the_class_is_a_warning(subject):
    (found,) = check(subject(*rows(10, lambda place: {"facts": {"width": 200 if place == "a" else 256}})))
    assert "The size of a picture" in found.message


def test_sources_that_hold_all_classes_alike_are_fine(subject):
    mixed = [{"label": label, "source": place} for label in ("glioma", "notumor") for place in "ab" for _ in range(5)]
    assert check(subject(*mixed)) == []


def test_sizes_that_all_differ_tell_nothing(subject):
    assert check(subject(*[{"facts": {"width": 200 + number}} for number in range(20)])) == []
