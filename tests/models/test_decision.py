"""Tests of the decision: tumour or none, and the kind of tumour, are decided separately."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from gadolin.models.bundle import Bundle, TumourScale, Validation
from gadolin.models.decision import class_probabilities, decide, softmax, tumour_logits
from gadolin.preprocessing.prepare import Preparation

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
KINDS = [0, 1, 3]
LISTED = tuple(
    Validation(label, sequence, 10, 100, 95)
    for label, sequence in [*((one, "T1c") for one in CLASSES), ("notumor", "FLAIR"), ("glioma", "FLAIR")]
)
TWO_QUESTIONS = Bundle(
    Path(),
    CLASSES,
    Preparation(),
    "",
    confidence_threshold=0.6,
    sequence=("FLAIR", "T1c"),
    p_tumour=(TumourScale(threshold=0.8),),
    validated=LISTED,
)
rows = arrays(np.float32, (3, 4), elements=st.floats(-20, 20, width=32))


@given(rows, st.floats(0.1, 5), st.floats(0.1, 5), st.floats(-3, 3))
def test_probabilities_sum_to_one_and_hold_the_tumours(logits, temperature, scale, offset):
    bundle = replace(TWO_QUESTIONS, temperature=temperature, p_tumour=(TumourScale(scale, offset),))
    likely = class_probabilities(logits, bundle, [None] * 3)

    np.testing.assert_allclose(likely.sum(1), 1, atol=1e-5)
    wanted = 1 / (1 + np.exp(-(scale * tumour_logits(logits, CLASSES) + offset)))
    np.testing.assert_allclose(likely[:, KINDS].sum(1), wanted, atol=1e-5)


@given(rows)
def test_nothing_changes_with_a_scale_of_one(logits):
    np.testing.assert_allclose(class_probabilities(logits, TWO_QUESTIONS, ["T1c"] * 3), softmax(logits), atol=1e-5)


@given(rows, st.floats(0.2, 5))
def test_one_temperature_is_enough_for_a_model_of_one_question(logits, temperature):
    bundle = replace(TWO_QUESTIONS, p_tumour=None, temperature=temperature)
    np.testing.assert_allclose(class_probabilities(logits, bundle, [None] * 3), softmax(logits, temperature), atol=1e-6)


@pytest.mark.parametrize(
    ("likely", "sequence", "verdict"),
    [
        ([0.9, 0.05, 0.0, 0.05], "T1c", ("glioma", None, True)),
        ([0.5, 0.4, 0.05, 0.05], "T1c", (None, "kind_uncertain", True)),
        ([0.05, 0.02, 0.91, 0.02], "T1c", ("notumor", None, True)),
        ([0.3, 0.02, 0.66, 0.02], "T1c", (None, "tumour_uncertain", True)),
        ([0.3, 0.2, 0.4, 0.1], "T1c", (None, "tumour_uncertain", True)),
        ([0.9, 0.05, 0.0, 0.05], "FLAIR", (None, "kind_not_validated", True)),
        ([0.05, 0.9, 0.0, 0.05], "FLAIR", (None, "kind_not_validated", False)),
        ([0.05, 0.02, 0.91, 0.02], "FLAIR", ("notumor", None, True)),
        ([0.9, 0.05, 0.0, 0.05], None, (None, "kind_not_validated", False)),
        ([0.05, 0.02, 0.91, 0.02], None, (None, "sequence_not_validated", False)),
        ([0.05, 0.02, 0.91, 0.02], "PD", (None, "sequence_not_validated", False)),
    ],
)
def test_tumour_or_none_comes_first_and_the_kind_only_where_it_was_validated(likely, sequence, verdict):
    assert tuple(decide(np.array(likely), TWO_QUESTIONS, sequence))[:3] == verdict


@pytest.mark.parametrize("likely", [[0.9, 0.05, 0.0, 0.05], [0.05, 0.02, 0.91, 0.02]])
def test_what_is_declined_is_declined_whatever_the_probabilities_are(likely):
    for bundle in (TWO_QUESTIONS, replace(TWO_QUESTIONS, p_tumour=None)):
        verdict = decide(np.array(likely), bundle, "T1c", declined="colour_image")
        assert (verdict.label, verdict.code) == (None, "colour_image")


def test_a_tumour_is_named_though_none_of_its_kinds_is_likelier_than_none():
    bundle = replace(TWO_QUESTIONS, p_tumour=(TumourScale(threshold=0.5),), confidence_threshold=0.0)
    assert decide(np.array([0.2, 0.2, 0.4, 0.2]), bundle, "T1c").label == "glioma"


def test_a_sequence_may_have_a_scale_of_its_own():
    scales = (TumourScale(1, 0, 0.5), TumourScale(1, 2, 0.9, "T1c"))
    bundle = replace(TWO_QUESTIONS, p_tumour=scales)
    logits = np.zeros((3, 4), np.float32)

    likely = class_probabilities(logits, bundle, ["T1c", "FLAIR", None])

    assert likely[1].tolist() == likely[2].tolist()
    assert likely[0, 2] < likely[1, 2]
    row = np.array([0.05, 0.05, 0.85, 0.05])
    assert decide(row, bundle, "T1c").code == "tumour_uncertain"
    assert decide(row, bundle, "FLAIR").label == "notumor"


def test_a_model_without_a_list_answers_on_every_sequence():
    bundle = replace(TWO_QUESTIONS, validated=None)
    assert tuple(decide(np.array([0.9, 0.05, 0.0, 0.05]), bundle, None)) == ("glioma", None, None, pytest.approx(1))


def test_a_model_of_one_question_names_the_likeliest_class():
    bundle = replace(TWO_QUESTIONS, p_tumour=None)
    assert tuple(decide(np.array([0.2, 0.1, 0.7, 0.0]), bundle, "T1c")) == ("notumor", None, True, None)
    assert decide(np.array([0.3, 0.1, 0.4, 0.2]), bundle, "T1c").code == "low_confidence"


@pytest.mark.parametrize(
    ("sequence", "header", "likely", "verdict"),
    [
        ("T1c", "T1c", [0.9, 0.05, 0.0, 0.05], ("glioma", None, True)),
        ("T1c", "FLAIR", [0.9, 0.05, 0.0, 0.05], (None, "kind_not_validated", True)),
        ("T1c", "PD", [0.9, 0.05, 0.0, 0.05], (None, "kind_not_validated", False)),
        ("FLAIR", "T1c", [0.05, 0.02, 0.91, 0.02], ("notumor", None, True)),
        ("FLAIR", "PD", [0.05, 0.02, 0.91, 0.02], (None, "sequence_not_validated", False)),
    ],
)
def test_where_header_and_picture_differ_only_what_holds_for_both_is_said(sequence, header, likely, verdict):
    assert tuple(decide(np.array(likely), TWO_QUESTIONS, sequence, header=header))[:3] == verdict
