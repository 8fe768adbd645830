"""Tests of the check for patients in two splits."""

from __future__ import annotations

from gadolin.checks import run_checks
from gadolin.checks.leakage import shared_patients


def test_a_patient_in_training_and_test_is_serious(dataset):
    rows = [
        {"split": "train", "patient": "p1"},
        {"split": "test", "patient": "p1"},
        {"split": "test", "patient": "p2"},
        {"split": "test"},
    ]
    (found,) = shared_patients(dataset(*rows))
    assert (found.severity, found.score, found.members) == ("serious", 0.5, (("1.png", "0.png"),))
    assert "(1 of 2)" in found.message


def test_a_patient_is_carried_over_from_copies_in_the_other_data_set(dataset):
    rows = [{"split": "train", "copy": "a", "label": "glioma"}, {"split": "test", "copy": "b", "label": "glioma"}]
    known = [{"copy": name, "patient": "p1", "label": "glioma", "other": True} for name in "ab"]
    told = dataset(*rows, *known)
    (found,) = shared_patients(told)
    assert "The patients of 1 slices were transferred" in found.rule
    counts = {(one.part, one.label): one for one in run_checks(told).parts}
    assert (counts["test", ""].known_patient, counts["test", ""].duplicate) == (1, 0)


def test_patients_of_one_side_each_are_no_leak(dataset):
    assert shared_patients(dataset({"split": "train", "patient": "p1"}, {"split": "test", "patient": "p2"})) == []


def test_a_patient_in_two_folds_is_told(dataset):
    (found,) = shared_patients(
        dataset({"fold": 0, "patient": "p"}, {"fold": 1, "patient": "p"}, {"fold": 1, "patient": "q"})
    )
    assert found.members == (("0.png", "1.png"),)
