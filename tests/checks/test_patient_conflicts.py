"""Tests of the check for one slice under two patients."""

from __future__ import annotations

from gadolin.checks.patients import patient_conflicts
from gadolin.checks.registry import Skipped


def slices(*codes):
    """Return rows such as "p1 a": patient, duplicate group; "other" puts the row in the other data set."""
    return [dict(zip(("patient", "copy", "other"), code.split(), strict=False)) for code in codes]


def test_copies_under_two_patients_are_told(dataset):
    (found,) = patient_conflicts(dataset(*slices("p1 a", "p2 a", "p3 b", "p3 b")))
    assert (found.severity, found.members) == ("warning", (("0.png", "1.png"),))


def test_a_proved_pair_under_two_patients_is_told(dataset):
    (found,) = patient_conflicts(dataset({"patient": "p"}, {"patient": "q"}, {}, pairs=[(0, 1, True, 3.0, 1.0)]))
    assert found.members == (("0.png", "1.png"),)


def test_a_copy_without_a_patient_contradicts_nothing(dataset):
    assert patient_conflicts(dataset(*slices("p1 a"), {"copy": "a"})) == []


def test_without_patients_nothing_is_looked_for(dataset):
    assert patient_conflicts(dataset({"copy": "a"}, {"copy": "a"})) == Skipped("no patient is known")


def test_patients_who_are_only_called_otherwise_there_are_no_conflict(dataset):
    assert patient_conflicts(dataset(*slices("p1 a", "p1 b", "p2 c", "x a other", "x b other", "y c other"))) == []


def test_a_patient_who_is_two_in_the_other_data_set_is_told(dataset):
    (found,) = patient_conflicts(dataset(*slices("p1 a", "p1 b", "x a other", "y b other")))
    assert found.members == (("0.png", "other:2.png"), ("1.png", "other:3.png"))
    assert found.message.startswith("2 slices belong to another patient in the other data set")


def test_where_names_are_shared_another_name_is_another_patient(dataset):
    (found,) = patient_conflicts(dataset(*slices("p1 a", "p2 b", "p2 a other", "p2 b other")))
    assert found.members == (("0.png", "other:2.png"),)
