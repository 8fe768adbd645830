"""Tests of the check for a class that is missing from a split or fold."""

from __future__ import annotations

from gadolin.checks.classes import vanishing_class
from gadolin.checks.registry import Skipped


def test_a_class_missing_from_a_part_is_serious(dataset):
    rows = [{"split": "train", "label": name} for name in ("glioma", "notumor")] + [
        {"split": "test", "label": "glioma"}
    ]
    (found,) = vanishing_class(dataset(*rows))
    assert (found.severity, found.message) == ("serious", "The test part has no slice of no tumour.")


def test_a_class_missing_from_a_fold_is_serious(dataset):
    rows = [{"fold": 0, "label": name} for name in ("glioma", "notumor")] + [{"fold": 1, "label": "notumor"}]
    (found,) = vanishing_class(dataset(*rows))
    assert found.message == "Fold 1 has no slice of glioma."


def test_in_data_without_parts_and_folds_nothing_can_vanish(dataset):
    assert vanishing_class(dataset({}, {})) == Skipped("no parts or folds are defined")
