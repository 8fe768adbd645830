"""Tests of the measures of abstention: answered, right and declined slices, by class, tumour and kind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gadolin.errors import DataError
from gadolin.metrics import Decisions, measure, risk_coverage

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")


def decided(table, labels, reason="low_confidence", **fields):
    """Return the table with these labels, "" for an abstention."""
    reasons = tuple("" if label else reason for label in labels)
    return replace(table, decisions=Decisions(tuple(labels), reasons, **fields))


@pytest.fixture
def kinds(make_table):
    """A table of 40 slices, ten of each class, in truth order; a patient has two slices."""
    return make_table(rows=40, classes=CLASSES, truth=np.arange(40) // 10)


def test_answered_right_and_declined_slices_are_counted(kinds):
    labels = [CLASSES[k] for k in kinds.truth]
    labels[:4] = [""] * 4
    labels[4:6] = ["pituitary"] * 2
    one = measure(decided(kinds, labels), resamples=50).overall.abstention
    assert (one.n, one.answered, one.correct, one.declined) == (40, 36, 34, 4)
    assert one.coverage.value == pytest.approx(36 / 40)
    assert one.selective_accuracy.value == pytest.approx(34 / 36)
    assert one.coverage.low < 36 / 40 < one.coverage.high
    assert dict(one.reasons) == {"low_confidence": 4}
    assert (one.per_class["glioma"].answered, one.per_class["glioma"].correct) == (6, 4)
    assert (one.tumour, one.kind) == (None, None)


def test_the_most_frequent_reason_is_first(kinds):
    reasons = ("colour_image", "low_confidence", "low_confidence", *[""] * 37)
    labels = tuple("" if reason else "glioma" for reason in reasons)
    table = replace(kinds, decisions=Decisions(labels, reasons))
    assert list(measure(table, resamples=0).overall.abstention.reasons.items()) == [
        ("low_confidence", 2),
        ("colour_image", 1),
    ]


def test_a_tumour_of_uncertain_kind_counts_as_found_and_its_kind_as_declined(kinds):
    labels = ["glioma"] * 8 + ["", "notumor"] + ["glioma"] + [""] * 9 + ["notumor"] * 9 + ["glioma"] + [""] * 10
    reasons = [""] * 8 + ["kind_not_validated", ""] + [""] + ["kind_uncertain"] * 9 + [""] * 10
    reasons += ["tumour_uncertain"] * 9 + ["sequence_not_validated"]
    table = replace(
        kinds, decisions=Decisions(tuple(labels), tuple(reasons), p_tumour=(0.5,) * 40, sequences=("T1c",) * 40)
    )
    one = measure(table, resamples=0).overall.abstention
    assert (one.answered, one.correct, one.declined) == (20, 17, 20)
    everything, tumours, none = (one.tumour[name] for name in ("all", "tumour", "notumor"))
    assert (everything.n, everything.answered, everything.correct) == (40, 30, 28)
    assert (tumours.n, tumours.answered, tumours.correct) == (30, 20, 19)
    assert (none.n, none.answered, none.correct) == (10, 10, 9)
    found = one.kind["all"]
    assert (found.n, found.answered, found.correct, found.declined) == (19, 9, 8, 10)
    assert (one.kind["meningioma"].n, one.kind["meningioma"].correct) == (10, 0)
    assert one.kind["pituitary"].selective_accuracy.value is None
    told = one.as_json()
    assert told["kind"]["glioma"]["correct"] == 8
    assert told["tumour"]["notumor"]["declined"] == 0


def test_intervals_are_exact_where_every_answer_is_right_and_resample_patients_elsewhere(kinds):
    labels = [CLASSES[k] if row % 2 else "" for row, k in enumerate(kinds.truth)]
    one = measure(decided(kinds, labels), resamples=50).overall.abstention
    assert one.selective_accuracy.interval == (pytest.approx(0.025 ** (1 / 20)), 1.0)
    assert one.coverage.interval is None, "half of the slices of every patient are answered"


def test_subsets_have_their_own_answers_and_older_tables_none(kinds):
    parts = ("duplicate",) * 20 + ("new_patient",) * 20
    table = decided(replace(kinds, parts=parts), ["glioma"] * 20 + [""] * 20)
    found = measure(table, resamples=0).parts
    assert [found[name].abstention.answered for name in ("all", "duplicate", "new_patient")] == [20, 20, 0]
    assert found["new_patient"].abstention.selective_accuracy.value is None
    assert measure(kinds, resamples=0).overall.abstention is None
    assert measure(kinds, resamples=0).as_json()["abstention"] is None


def test_with_a_confidence_threshold_alone_the_operating_point_is_on_the_curve(make_table):
    table = make_table(rows=300, classes=CLASSES)
    threshold = 0.6
    labels = [
        CLASSES[k] if sure >= threshold else "" for k, sure in zip(table.predicted, table.confidence, strict=True)
    ]
    one = measure(decided(table, labels), resamples=0).overall.abstention
    curve = risk_coverage(table)
    place = int(np.flatnonzero(curve.thresholds >= threshold)[-1])
    assert curve.coverage[place] == pytest.approx(one.coverage.value)
    assert curve.risk[place] == pytest.approx(1 - one.selective_accuracy.value)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"labels": ("a", "b"), "reason_codes": ("",)}, "shape_mismatch"),
        ({"labels": ("a",), "reason_codes": ("low_confidence",)}, "predictions_inconsistent"),
        ({"labels": ("",), "reason_codes": ("",)}, "predictions_inconsistent"),
        ({"labels": ("a",), "reason_codes": ("",), "p_tumour": (0.5,)}, "not_probabilities"),
        ({"labels": ("a",), "reason_codes": ("",), "p_tumour": (1.5,), "sequences": ("",)}, "not_probabilities"),
        (
            {"labels": ("a",), "reason_codes": ("",), "p_tumour": (float("nan"),), "sequences": ("",)},
            "not_probabilities",
        ),
    ],
)
def test_wrong_decisions_are_refused(fields, code):
    with pytest.raises(DataError) as caught:
        Decisions(**fields)
    assert caught.value.code == code


def test_decisions_must_fit_the_table(kinds):
    with pytest.raises(DataError) as caught:
        decided(kinds, ["glioma"] * 39)
    assert caught.value.code == "shape_mismatch"
    with pytest.raises(DataError) as caught:
        decided(kinds, ["astrocytoma"] * 40)
    assert caught.value.code == "class_unknown"
