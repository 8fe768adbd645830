"""Tests of the check for class imbalance."""

from __future__ import annotations

from gadolin.checks.classes import balance


def slices(glioma, notumor, copied=0):
    """Return rows of two classes; ``copied`` rows of notumor are duplicates of one slice."""
    healthy = [{"label": "notumor"} | ({"copy": "a"} if number < copied else {}) for number in range(notumor)]
    return [{"label": "glioma"} for _ in range(glioma)] + healthy


def test_even_classes_of_different_slices_are_fine(dataset):
    assert balance(dataset(*slices(10, 12))) == []


def test_an_uneven_class_is_a_note_and_a_very_uneven_one_a_warning(dataset):
    assert [one.severity for one in balance(dataset(*slices(10, 16)))] == ["note"]
    (found,) = balance(dataset(*slices(10, 31)))
    assert (found.severity, found.score) == ("warning", 3.1)


def test_balance_that_copies_make_is_told(dataset):
    (found,) = balance(dataset(*slices(10, 10, copied=6)))
    assert "glioma 10 slices, 10 different; no tumour 10 slices, 5 different" in found.message
    assert found.score == 0.5
