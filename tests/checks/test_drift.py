"""Tests of drift: shifted intensities are found, another sample of the same population is not; bad statistics fail."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from gadolin.checks.drift import chance_distance, compared, drift, effective_groups
from gadolin.checks.registry import Skipped
from gadolin.errors import BundleError
from gadolin.preprocessing.appearance import APPEARANCE, QUANTILES, appearance, read_summary, summary
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.records import Slice

CLASSES = ("glioma", "notumor")


@pytest.fixture
def used_on(dataset, heads, make_bundle):
    """Make a dataset of images and a bundle trained on 120 heads; its stored statistics may be given."""

    def make(pictures, labels=None, patients=None, **more):
        learned = heads(120)
        kept = summary(appearance(learned, range(120)), [CLASSES[row % 2] for row in range(120)], names(120))
        bundle = make_bundle(
            **{"facts": {"statistics": json.loads(json.dumps(kept))}, "preparation": Preparation()} | more
        )
        rows = [
            {"label": CLASSES[row % 2] if labels is None else labels[row], "patient": (patients or names(120))[row]}
            for row in range(len(pictures))
        ]
        return replace(dataset(*rows), slices=pictures, bundle=bundle)

    return make


def names(count):
    return [f"p{row}" for row in range(count)]


@pytest.mark.slow
def test_another_draw_of_the_same_heads_is_no_drift(used_on, heads):
    assert drift(used_on(heads(120, seed=5))) == []


@pytest.mark.slow
def test_brighter_tones_are_serious_and_named(used_on, heads):
    (found,) = drift(used_on(heads(120, seed=5, grey=190)))
    assert (found.kind, found.severity) == ("drift", "serious")
    assert "mean" in found.message
    assert "middle" in found.message
    assert found.score > 0.9


@pytest.mark.slow
def test_softened_pictures_are_told_by_their_sharpness(used_on, heads):
    soft = np.stack([cv2.GaussianBlur(picture, (0, 0), 4) for picture in heads(120, seed=5)])
    (found,) = drift(used_on(soft))
    assert "sharpness" in found.message


@pytest.mark.slow
def test_a_shift_in_few_patients_is_not_believed_however_many_slices_they_have(used_on, heads):
    told = drift(used_on(heads(120, seed=5, grey=190), patients=[f"p{row % 4}" for row in range(120)]))
    assert isinstance(told, Skipped)
    assert "there are 4 here and 120 in training" in told.reason


def test_another_mix_of_classes_is_no_drift():
    random = np.random.default_rng(0)
    labels = [CLASSES[row % 2] for row in range(400)]
    values = random.random((400, len(APPEARANCE))) + np.array([row % 2 for row in range(400)])[:, None]
    _, quantiles = read_summary(summary(values.astype(np.float32), labels, names(400)))
    one = random.random((200, len(APPEARANCE))) + 1
    assert compared(one.astype(np.float32), ["notumor"] * 200, quantiles)[0].distance < 0.15
    assert compared(one.astype(np.float32), ["unheard of"] * 200, quantiles)[0].distance > 0.4


def test_the_distance_of_known_samples_is_known():
    values = np.tile(np.linspace(0, 1, 1001, dtype=np.float32)[:, None], (1, len(APPEARANCE)))
    _, quantiles = read_summary(summary(values, ["a"] * 1001, names(1001)))
    same, half = (compared(sample, ["a"] * 1001, quantiles)[0] for sample in (values, values / 2))
    assert same.distance == pytest.approx(0, abs=2e-3)
    assert same.stability == pytest.approx(0, abs=1e-3)
    assert half.distance == pytest.approx(0.5, abs=2e-3)
    assert half.stability > 1
    assert (half.before, half.now) == pytest.approx((0.5, 0.25), abs=1e-3)


def test_a_statistic_that_is_always_the_same_is_no_drift():
    values = np.full((50, len(APPEARANCE)), 1 / 3, np.float32)
    _, quantiles = read_summary(summary(values, ["a"] * 50, names(50)))
    assert compared(values, ["a"] * 50, quantiles)[0].distance == 0
    assert compared(values + 1, ["a"] * 50, quantiles)[0].distance == 1


@pytest.mark.slow
def test_a_bundle_of_another_preparation_is_compared_by_its_own(used_on, heads, tmp_path):
    pictures, preparation = heads(40, seed=5), Preparation(size=128)
    prepared = np.stack([prepare(Slice(picture.astype(np.float32)), preparation) for picture in pictures])
    kept = summary(appearance(prepared, range(40)), [CLASSES[row % 2] for row in range(40)], names(40))
    one = used_on(pictures, preparation=preparation, facts={"statistics": kept})
    assert drift(replace(one, bundle=replace(one.bundle, preparation=Preparation()))) != []
    records = []
    for row, record in enumerate(one.records):
        cv2.imwrite(str(tmp_path / f"{row}.png"), pictures[row])
        records.append(replace(record, path=tmp_path / f"{row}.png"))
    assert drift(replace(one, all_records=tuple(records))) == []


def test_without_a_model_nothing_is_compared(dataset):
    assert drift(dataset({}, {})) == Skipped("no model was given")


def test_a_bundle_without_statistics_is_said_to_have_none(used_on, heads):
    assert "keeps no statistics" in drift(used_on(heads(12), facts={})).reason


@pytest.mark.parametrize("spoilt", [[], {"levels": [0, 1]}, {"levels": list(QUANTILES), "overall": 3, "classes": {}}])
def test_damaged_statistics_are_one_error(used_on, heads, spoilt):
    with pytest.raises(BundleError) as caught:
        drift(used_on(heads(12), facts={"statistics": spoilt}))
    assert caught.value.code == "bundle_statistics_invalid"


def test_what_is_kept_is_plain_json_of_bounded_size(heads):
    kept = summary(appearance(heads(12), range(12)), ["a", "b"] * 6, names(12))
    assert json.loads(json.dumps(kept)) == kept
    assert len(json.dumps(kept)) < 8_000
    assert (kept["groups"], kept["classes"]["a"]["groups"]) == (12, 6)


def test_a_black_picture_has_a_finite_appearance():
    assert np.isfinite(appearance(np.zeros((1, 256, 256), np.uint8), [0])).all()


@pytest.mark.slow
def test_where_patients_are_unknown_drift_is_no_more_than_a_warning(used_on, heads):
    (found,) = drift(used_on(heads(120, seed=5, grey=190), patients=["", *names(119)]))
    assert found.severity == "warning"
    assert "some patients are unknown" in found.message


def population(random, patients, slices=10):
    """Draw image statistics of slices of one patient population, (patients x slices, 8)."""
    each = np.repeat(random.normal(0, 1, (patients, len(APPEARANCE))), slices, axis=0)
    return (each + random.normal(0, 0.3, each.shape)).astype(np.float32)


@pytest.mark.slow
def test_a_class_of_few_patients_in_training_is_no_reason_to_cry_drift():
    labels = ["a"] * 2000 + ["b"] * 120
    groups = [f"a{row // 10}" for row in range(2000)] + [f"b{row // 10}" for row in range(120)]
    alarms = 0
    for seed in range(40):
        random = np.random.default_rng(seed)
        kept = summary(np.vstack([population(random, 200), population(random, 12)]), labels, groups)
        counts, quantiles = read_summary(kept)
        before = effective_groups(["b"] * 1000, counts)
        assert before == 12
        largest = compared(population(random, 100), ["b"] * 1000, quantiles)[0].distance
        alarms += largest >= chance_distance(100, before)
    assert alarms <= 1


def test_the_groups_behind_a_mix_of_classes_are_those_of_its_shares():
    assert effective_groups(["a", "b"], {"": 40, "a": 20, "b": 20}) == 40
    assert effective_groups(["a", "b"], {"": 220, "a": 200, "b": 20}) == pytest.approx(1 / (0.25 / 200 + 0.25 / 20))
    assert effective_groups(["c"], {"": 220, "a": 200, "b": 20}) == 220


def test_statistics_without_the_groups_of_each_class_share_them_out_by_slices():
    values = np.random.default_rng(0).random((100, len(APPEARANCE))).astype(np.float32)
    kept = summary(values, ["a"] * 80 + ["b"] * 20, names(100))
    for table in (kept["overall"], *kept["classes"].values()):
        del table["groups"]
    assert read_summary(kept)[0] == {"": 100, "a": 80, "b": 20}
