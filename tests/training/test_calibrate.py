"""Tests of calibration: thresholds and temperatures are fitted on slices that were not trained on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gadolin.metrics.calibration import fit_logistic
from gadolin.models.bundle import Bundle, TumourScale
from gadolin.models.decision import class_probabilities, tumour_logits
from gadolin.preprocessing.prepare import Preparation
from gadolin.training.calibrate import calibrated, validations

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
PLAIN = Bundle(Path(), CLASSES, Preparation(), "")
NONE = [None]


def drawn(rng, count, sureness):
    """Return logits (count, 4) overconfident by the factor ``sureness``, and classes from the true probabilities."""
    fair = rng.normal(0, 1.5, (count, 4))
    likely = np.exp(fair) / np.exp(fair).sum(1, keepdims=True)
    targets = np.array([rng.choice(4, p=row) for row in likely])
    return sureness * fair, targets


@pytest.mark.parametrize(("scale", "offset"), [(1.0, 0.0), (0.4, 1.0), (2.5, -2.0)])
def test_a_logistic_scale_is_found_again(rng, scale, offset):
    values = rng.normal(0, 2, 4000)
    truth = rng.random(4000) < 1 / (1 + np.exp(-(scale * values + offset)))

    found = fit_logistic(values, truth)

    assert found == pytest.approx((scale, offset), abs=0.25)


def test_a_logistic_scale_of_few_rows_that_are_all_right_stays_finite():
    scale, offset = fit_logistic(np.array([-900.0, 800.0]), np.array([False, True]))
    assert 0.05 <= scale < 10
    assert abs(offset) < 10


def test_tumours_and_kinds_are_calibrated_apart(rng):
    logits, targets = drawn(rng, 3000, sureness=3)
    logits[:, 2] += 6  # and strongly biased to no tumour
    known = rng.random(3000) < 0.5
    bundle = calibrated(PLAIN, logits, targets, known, sequences=NONE * 3000)

    likely = class_probabilities(logits, bundle, NONE * 3000)
    tumour = targets != 2
    on_average = [likely[rows][:, [0, 1, 3]].sum(1).mean() for rows in (tumour, ~tumour)]
    assert np.mean(on_average) == pytest.approx(0.5, abs=0.02), "equal numbers with and without tumour"
    assert bundle.temperature == pytest.approx(3, rel=0.15)
    assert bundle.p_tumour[0].threshold >= 0.5
    stated = np.abs(likely[:, 2] - 0.5) + 0.5 >= bundle.p_tumour[0].threshold
    assert np.mean([stated[tumour].mean(), stated[~tumour].mean()]) >= 0.9


def test_a_sequence_with_enough_slices_has_its_own_scale_near_that_of_all(rng):
    logits, targets = drawn(rng, 2000, sureness=1)
    sequences = ["T1c"] * 1000 + ["T2"] * 980 + ["FLAIR"] * 20
    logits[1000:1980, 2] += 3  # on T2 strongly biased to no tumour
    bundle = calibrated(PLAIN, logits, targets, np.ones(2000, np.bool_), sequences=sequences)

    assert [one.sequence for one in bundle.p_tumour] == ["", "T1c", "T2"]
    likely = class_probabilities(logits, bundle, sequences)
    for rows in (slice(0, 1000), slice(1000, 1980)):
        p, none = likely[rows, 2], targets[rows] == 2
        assert np.mean([p[none].mean(), p[~none].mean()]) == pytest.approx(0.5, abs=0.03)


def test_a_sequence_on_which_hardly_a_slice_is_without_a_tumour_is_calibrated_as_another(rng):
    logits, targets = drawn(rng, 4000, sureness=1)
    rare = (targets != 2) | (np.arange(4000) % 20 == 0)
    known = np.ones(4000, np.bool_)

    usual = calibrated(PLAIN, logits, targets, known, sequences=NONE * 4000).p_tumour[0]
    scarce = calibrated(PLAIN, logits[rare], targets[rare], known[rare], sequences=NONE * int(rare.sum())).p_tumour[0]

    assert (scarce.scale, scarce.offset) == pytest.approx((usual.scale, usual.offset), abs=0.3)


def test_slices_that_teach_no_kind_do_not_move_the_temperature_of_kinds(rng):
    logits, targets = drawn(rng, 1000, sureness=2)
    known = np.arange(1000) < 500
    wrong = np.where(known | (targets == 2), targets, 0)

    one, other = (calibrated(PLAIN, logits, each, known, sequences=NONE * 1000) for each in (wrong, targets))
    assert one.temperature == other.temperature


def test_a_model_of_one_question_has_one_temperature_and_one_threshold(rng):
    logits, targets = drawn(rng, 1000, sureness=2)

    bundle = calibrated(PLAIN, logits, targets, sequences=NONE * 1000)
    assert bundle.p_tumour is None
    assert bundle.temperature == pytest.approx(2, rel=0.15)
    assert bundle.confidence_threshold > 0
    assert calibrated(PLAIN, logits, targets, sequences=NONE * 1000, thresholds=False).confidence_threshold == 0


def test_a_class_is_listed_for_a_sequence_where_enough_patients_were_answered_rightly(rng):
    targets = np.tile([0, 2], 40)
    logits = np.full((80, 4), -4.0)
    logits[np.arange(80), targets] = 4
    sequences = [("T1", "T1c", None, "T2")[row // 20] for row in range(80)]
    logits[:20] = [[8, 0, 0, 0]] * 20  # on T1 each slice is a glioma
    patients = [f"p{row % 10}" if row < 60 else f"p{row % 4}" for row in range(80)]
    bundle = calibrated(PLAIN, logits, targets, np.ones(80, np.bool_), sequences=sequences)

    found = validations(bundle, logits, targets, sequences, patients)

    assert [(one.label, one.sequence, one.right, one.slices) for one in found] == [
        ("glioma", "T1", 10, 10),
        ("glioma", "T1c", 10, 10),
        ("notumor", "T1c", 10, 10),
    ]
    assert tumour_logits(logits, CLASSES).shape == (80,)


def test_slices_that_are_not_answered_do_not_count_for_what_was_validated():
    logits = np.array([[4.0, -4, -4, -4]] * 10 + [[0.0, -4, 0.1, -4]] * 30)
    sure = replace(PLAIN, p_tumour=(TumourScale(threshold=0.9),))
    patients = [str(row) for row in range(40)]

    (found,) = validations(sure, logits, np.zeros(40, np.int64), ["T1"] * 40, patients)

    assert (found.label, found.patients, found.slices, found.right) == ("glioma", 10, 10, 10)


def test_a_tumour_that_is_missed_says_nothing_of_its_kind():
    logits = np.array([[4.0, -4, -4, -4]] * 10 + [[-4.0, -4, 4, -4]] * 30)
    bundle = replace(PLAIN, p_tumour=(TumourScale(),))
    patients = [str(row) for row in range(40)]

    (found,) = validations(bundle, logits, np.zeros(40, np.int64), ["T1"] * 40, patients)

    assert (found.label, found.patients, found.slices, found.right) == ("glioma", 10, 10, 10)
