"""Tests of likely label errors: a planted one is found, a correct set has none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gadolin.checks import annotations
from gadolin.checks.annotations import label_errors
from gadolin.checks.registry import Skipped

CLASSES = ("glioma", "notumor", "pituitary")


@pytest.fixture
def believed(dataset):
    """Make a dataset of 90 slices that a model classifies with 0.8 to 0.98; ``wrong`` gives false labels by row."""

    def make(wrong=None):
        true = [row % 3 for row in range(90)]
        labels = [(wrong or {}).get(row, CLASSES[true[row]]) for row in range(90)]
        random = np.random.default_rng(0)
        sure = random.uniform(0.8, 0.98, 90)
        sure[list(wrong or {})] = 0.97
        probabilities = np.repeat((1 - sure)[:, None] / 2, 3, axis=1)
        probabilities[np.arange(90), true] = sure
        return replace(dataset(*({"label": label} for label in labels)), probabilities=probabilities)

    return make


@pytest.mark.slow
def test_planted_label_errors_are_found_and_nothing_else(believed):
    (found,) = label_errors(believed({30: "pituitary", 61: "glioma"}))
    assert (found.kind, found.severity, found.score) == ("label_errors", "warning", 2.0)
    assert {name for group in found.members for name in group} == {"30.png", "61.png"}


def test_the_first_is_the_least_likely_and_is_named_with_both_classes(believed):
    one = believed({30: "pituitary", 61: "glioma"})
    one.probabilities[61] = (0.0005, 0.999, 0.0005)
    (found,) = label_errors(one)
    assert found.members[0] == ("61.png",)
    assert "the first is 61.png, labelled glioma, predicted no tumour with probability 0.999" in found.message


def test_labels_that_the_model_believes_give_no_finding(believed):
    assert label_errors(believed()) == []


def test_without_predictions_nothing_is_looked_for(dataset):
    assert label_errors(dataset({}, {})) == Skipped("no predictions were given")


def test_slices_without_a_prediction_are_left_out_and_counted(believed):
    one = believed({30: "pituitary"})
    one.probabilities[:3] = np.nan
    found, gaps = label_errors(one)
    assert found.score == 1.0
    assert (gaps.severity, "3 slices have no prediction" in gaps.message) == ("note", True)


def test_a_class_without_any_prediction_is_named(believed):
    one = believed()
    one.probabilities[::3] = np.nan
    assert "no slice of glioma" in label_errors(one).reason


def test_without_cleanlab_the_check_says_how_to_install_it(believed, monkeypatch):
    monkeypatch.setattr(annotations, "find_spec", lambda name: None)
    assert "pip install 'gadolin[audit]'" in label_errors(believed({30: "pituitary"})).reason
