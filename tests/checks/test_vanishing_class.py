"""Promises about a class that is missing from a part or fold."""

from __future__ import annotations

from gadolin.checks.skipped import Skipped
from gadolin.checks.vanishing_class import check


def test_a_class_missing_from_a_part_is_serious(subject):
    rows = [{"split": "train", "label": name} for name in ("glioma", "notumor")] + [
        {"split": "test", "label": "glioma"}
    ]
    (found,) = check(subject(*rows))
    assert (found.severity, found.message) == ("serious", "The test part has no slice of notumor.")


def test_a_class_missing_from_a_fold_is_serious(subject):
    rows = [{"fold": 0, "label": name} for name in ("glioma", "notumor")] + [{"fold": 1, "label": "notumor"}]
    (found,) = check(subject(*rows))
    assert found.message == "Fold 1 has no slice of glioma."


def test_in_data_without_parts_and_folds_nothing_can_vanish(subject):
    assert check(subject({}, {})) == Skipped("no parts and no folds are named")
