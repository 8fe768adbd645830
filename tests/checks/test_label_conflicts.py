"""Tests of the check for one slice with two labels."""

from __future__ import annotations

from gadolin.checks.annotations import label_conflicts


def test_copies_under_two_labels_are_serious(dataset):
    (found,) = label_conflicts(dataset({"label": "glioma", "copy": "a"}, {"label": "notumor", "copy": "a"}))
    assert (found.severity, found.members) == ("serious", (("0.png", "1.png"),))


def test_a_label_that_the_other_data_set_contradicts_is_told_with_what_it_says(dataset):
    rows = [{"label": "pituitary", "copy": "a"}, {"label": "meningioma"}]
    (found,) = label_conflicts(dataset(*rows, {"label": "meningioma", "copy": "a", "other": True}))
    assert found.members == (("0.png", "other:2.png"),)
    assert "0.png is pituitary here and meningioma there" in found.message


def test_a_label_that_one_copy_there_confirms_is_not_contradicted(dataset):
    others = [{"label": name, "copy": "a", "other": True} for name in ("glioma", "notumor")]
    assert label_conflicts(dataset({"label": "glioma", "copy": "a"}, *others)) == []


def test_a_class_that_the_other_data_set_words_otherwise_is_no_contradiction(dataset):
    rows = [{"label": "glioma", "copy": "a"}, {"label": "notumor"}]
    assert label_conflicts(dataset(*rows, {"label": "tumor", "copy": "a", "other": True})) == []


def test_a_proved_pair_under_two_labels_is_told_though_it_is_of_no_group(dataset):
    rows = [{"label": "glioma"}, {"label": "notumor"}]
    (found,) = label_conflicts(dataset(*rows, pairs=[(0, 1, False, 0.0, 1.0)]))
    assert found.members == (("0.png", "1.png"),)


def test_a_copy_there_that_does_not_contradict_a_label_saves_it(dataset):
    rows = [{"label": "tumor", "copy": "a"}, {"label": "notumor"}]
    others = [{"label": name, "copy": "a", "other": True} for name in ("glioma", "notumor")]
    assert label_conflicts(dataset(*rows, *others)) == []


def test_labels_that_only_the_other_data_set_contradicts_itself_about_are_not_told(dataset):
    others = [{"label": name, "copy": "a", "other": True} for name in ("meningioma", "glioma")]
    assert label_conflicts(dataset({"label": "glioma"}, {"label": "notumor"}, *others)) == []
