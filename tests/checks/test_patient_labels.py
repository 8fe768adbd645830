"""Tests of the check for patients with two labels."""

from __future__ import annotations

from gadolin.checks.patients import patient_labels


def test_a_patient_with_two_labels_is_told(dataset):
    rows = [{"patient": "p", "label": "glioma"}, {"patient": "p", "label": "notumor"}, {"patient": "q"}]
    (found,) = patient_labels(dataset(*rows))
    assert found.members == (("0.png", "1.png"),)


def test_a_patient_with_one_label_and_slices_without_a_patient_are_not(dataset):
    rows = [{"patient": "p", "label": "glioma"}, {"label": "notumor"}, {"label": "glioma"}]
    assert patient_labels(dataset(*rows)) == []
