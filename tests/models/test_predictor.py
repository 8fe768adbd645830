"""Tests of the predictor: predictions known by hand, independent of the batch, with a reason for each abstention."""

from __future__ import annotations

import math
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from gadolin.errors import BundleError, RequestError
from gadolin.models.decision import softmax
from gadolin.models.predictor import Predictor
from gadolin.models.runtime import open_runtime
from gadolin.models.tumour_scale import TumourScale
from gadolin.phantoms import CLASSES, draw_patient
from gadolin.preprocessing.montage import HEAD_COUNTER
from gadolin.preprocessing.prepare import Preparation
from gadolin.records import NOTICE, Slice

GAIN = 8.0  # logit of a white quadrant
SURE = math.exp(GAIN) / (math.exp(GAIN) + 3)


@pytest.fixture(scope="module")
def bundle(make_bundle):
    return make_bundle()


@pytest.fixture(scope="module")
def predictor(bundle):
    return Predictor.load(bundle.folder, threads=1)


@pytest.fixture(scope="module")
def differently(bundle):
    """Make a predictor on the same graph; keywords replace fields of its bundle."""
    runtime = open_runtime(bundle.graph, threads=1)
    return lambda **fields: Predictor(replace(bundle, **fields), runtime)


@pytest.fixture(scope="module")
def phantoms():
    drawn = [draw_patient(label, number, slices=5, size=80) for number, label in enumerate(CLASSES)]
    return [Slice(one.pixels.astype(np.float32)) for stack in drawn for one in stack]


@pytest.mark.parametrize("quadrant", range(4))
def test_the_lit_quadrant_names_the_class(predictor, lit_quadrant, quadrant):
    (answer,) = predictor.predict([lit_quadrant(quadrant)], ["a.png"])
    assert answer.label == CLASSES[quadrant]
    assert answer.probabilities[CLASSES[quadrant]] == pytest.approx(SURE, abs=1e-5)
    assert (answer.path, answer.abstained, answer.reason, answer.reason_code) == ("a.png", False, None, None)


def test_a_black_picture_gives_every_class_the_same(predictor):
    (answer,) = predictor.predict([Slice(np.zeros((64, 64), np.float32))])
    assert answer.probabilities == dict.fromkeys(CLASSES, 0.25)


def test_probabilities_come_in_the_order_of_the_classes_and_sum_to_one(predictor, phantoms):
    for answer in predictor.predict(phantoms):
        assert tuple(answer.probabilities) == CLASSES
        assert sum(answer.probabilities.values()) == pytest.approx(1, abs=4e-6)
        assert all(0 <= value <= 1 for value in answer.probabilities.values())


def test_the_answer_names_the_bundle_that_gave_it(predictor, bundle, lit_quadrant):
    assert predictor.predict([lit_quadrant(0)])[0].model == bundle.digest


def test_a_batch_answers_as_each_slice_alone(predictor, phantoms):
    together = predictor.predict(phantoms)
    assert len(phantoms) > 16, "more than one batch"
    assert together == [predictor.predict([image])[0] for image in phantoms]


def test_no_slices_give_no_answers(predictor):
    assert predictor.predict([]) == []


def test_every_slice_needs_its_own_name(predictor, lit_quadrant):
    with pytest.raises(RequestError) as caught:
        predictor.predict([lit_quadrant(0)], ["a", "b"])
    assert caught.value.code == "names_differ"


def test_slices_of_different_sizes_and_depths_go_together(predictor, lit_quadrant):
    deep = lit_quadrant(3, 4000, size=128, bits=16)
    answers = predictor.predict([lit_quadrant(1), deep, lit_quadrant(2, size=200)])
    assert [answer.label for answer in answers] == [CLASSES[1], CLASSES[3], CLASSES[2]]


def test_the_reason_tells_a_sequence_that_was_not_recognised(differently, lit_quadrant):
    model = differently(p_tumour=(TumourScale(),), validated=())
    tumour, none = model.predict([lit_quadrant(0), lit_quadrant(CLASSES.index("notumor"))])
    assert tumour.reason_code == "kind_not_validated"
    assert re.fullmatch(
        r"tumour suspected \(probability [01]\.\d\d\); its kind needs a recognised MRI sequence", tumour.reason
    )
    assert none.reason == "no tumour predicted, but the MRI sequence was not recognised"


def test_the_temperature_softens_the_answer(differently, lit_quadrant):
    (answer,) = differently(temperature=2.0).predict([lit_quadrant(1)])
    assert answer.probabilities[CLASSES[1]] == pytest.approx(math.exp(4) / (math.exp(4) + 3), abs=1e-5)


def test_it_abstains_under_the_threshold_and_says_so(differently, lit_quadrant):
    dim = lit_quadrant(0, value=64)
    sure, unsure = differently(confidence_threshold=0.9).predict([lit_quadrant(0), dim])
    assert (sure.label, sure.abstained, sure.reason) == (CLASSES[0], False, None)
    assert (unsure.label, unsure.abstained) == (None, True)
    assert (unsure.reason_code, unsure.reason) == (
        "low_confidence",
        "low confidence: no class reaches a probability of 0.9",
    )
    assert max(unsure.probabilities, key=unsure.probabilities.get) == CLASSES[0]


def test_it_abstains_on_true_colours_and_says_so(predictor, lit_quadrant):
    (answer,) = predictor.predict([lit_quadrant(2, colour=True)])
    assert (answer.label, answer.abstained) == (None, True)
    assert answer.reason_code == "colour_image"
    assert answer.probabilities[CLASSES[2]] == pytest.approx(SURE, abs=1e-5)


def side_by_side(image):
    return replace(image, pixels=np.hstack([image.pixels, image.pixels]))


def test_it_abstains_on_several_slices_and_says_so(differently, phantoms):
    counting = differently(head_counter=HEAD_COUNTER)
    one, two = counting.predict([phantoms[2], side_by_side(phantoms[2])])
    assert one.reason_code is None
    assert (two.label, two.abstained, two.reason_code) == (None, True, "several_slices")
    assert two.reason == "several slices in one image; a prediction is for one slice"
    assert sum(two.probabilities.values()) == pytest.approx(1, abs=4e-6)


def test_a_bundle_without_a_head_counter_names_several_slices_as_before(differently, phantoms):
    (answer,) = differently().predict([side_by_side(phantoms[2])])
    assert answer.reason_code is None


def test_true_colours_are_the_reason_before_several_slices(differently, phantoms):
    coloured = replace(side_by_side(phantoms[2]), colour=True)
    (answer,) = differently(head_counter=HEAD_COUNTER).predict([coloured])
    assert answer.reason_code == "colour_image"


def test_an_answer_is_told_as_json_with_the_documented_keys(predictor, lit_quadrant):
    (answer,) = predictor.predict([lit_quadrant(0)], ["a.png"])
    assert list(answer.as_json()) == [
        *("path", "frame", "probabilities", "label", "abstained", "reason_code", "reason"),
        *("sequence", "header_sequence", "p_tumour", "validated", "series", "orientation", "spacing_mm", "model"),
    ]
    assert "research only" in NOTICE


def test_at_answers_for_the_untouched_slice_as_predict_does(predictor, phantoms):
    for image in phantoms[::4]:
        (row,) = predictor.predict_fn(image)(image.pixels[None])
        (answer,) = predictor.predict([image])
        np.testing.assert_allclose(row, list(answer.probabilities.values()), atol=1e-6)


def test_at_gives_one_float32_row_that_sums_to_one_for_each_variant(predictor, lit_quadrant):
    image = lit_quadrant(0)
    variants = np.stack([lit_quadrant(quadrant).pixels for quadrant in range(4)])
    rows = predictor.predict_fn(image)(variants)
    assert rows.shape == (4, 4)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(rows.argmax(axis=1), range(4))


def test_at_freezes_the_crop(differently):
    """The left third of a head is covered; a new crop would move the rest into the middle."""
    cropping = differently(preparation=Preparation(size=64, margin=0.0))
    pixels = np.zeros((128, 160), np.float32)
    pixels[10:70, 20:80] = 200
    covered = pixels.copy()
    covered[:, 20:40] = 0
    image = Slice(pixels)
    (held,) = cropping.predict_fn(image)(covered[None])
    left, right = math.exp(GAIN * 200 / 255 / 3), math.exp(GAIN * 200 / 255)
    np.testing.assert_allclose(held, np.array([left, right] * 2) / (2 * left + 2 * right), atol=0.02)
    (moved,) = cropping.predict([Slice(covered)])
    assert moved.probabilities[CLASSES[0]] == pytest.approx(0.25, abs=0.05)


def test_at_freezes_the_range_of_deep_files(predictor, lit_quadrant):
    image = lit_quadrant(0, 4000, bits=16)
    (half,) = predictor.predict_fn(image)(image.pixels[None] / 2)
    assert half[0] == pytest.approx(math.exp(GAIN / 2) / (math.exp(GAIN / 2) + 3), abs=1e-2)


def test_threads_get_the_answers_that_one_alone_gets(predictor, phantoms):
    alone = predictor.predict(phantoms)
    with ThreadPoolExecutor(4) as pool:
        assert [answer for (answer,) in pool.map(lambda one: predictor.predict([one]), phantoms)] == alone


def test_a_predictor_loads_from_text_and_path_alike(bundle, lit_quadrant):
    first, second = (Predictor.load(where, threads=1) for where in (str(bundle.folder), Path(bundle.folder)))
    assert first.predict([lit_quadrant(1)]) == second.predict([lit_quadrant(1)])


def test_a_missing_model_is_a_bundle_error(tmp_path):
    with pytest.raises(BundleError) as caught:
        Predictor.load(tmp_path / "gone")
    assert caught.value.code == "model_not_found"


def test_an_unknown_runtime_is_a_request_error(bundle):
    with pytest.raises(RequestError) as caught:
        Predictor.load(bundle.folder, runtime="open-vino")
    assert caught.value.code == "runtime_unknown"
    assert "'openvino'" in caught.value.got


LOGITS = arrays.arrays(np.float32, (3, 4), elements=st.floats(-1000, 1000, width=32))


@given(LOGITS, st.floats(0.05, 20))
def test_softmax_sums_to_one_and_keeps_the_order(logits, temperature):
    rows = softmax(logits, temperature)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(rows.sum(axis=1), 1, atol=1e-5)
    for row, source in zip(rows, logits, strict=True):
        assert row[source.argmax()] == row.max()


@given(LOGITS, st.floats(-50, 50))
def test_softmax_does_not_change_with_a_constant(logits, constant):
    shifted = softmax(logits.astype(np.float64) + constant)
    np.testing.assert_allclose(softmax(logits), shifted, atol=1e-5)


def test_softmax_is_right_by_hand():
    rows = softmax(np.log(np.array([[1, 2, 5]], np.float32)))
    np.testing.assert_allclose(rows, [[0.125, 0.25, 0.625]], atol=1e-6)


class Odd:
    """A runtime whose OOD score is the mean brightness of a slice, in [0, 1]."""

    def __init__(self, runtime):
        self.runtime = runtime

    def __call__(self, prepared):
        return self.runtime(prepared)._replace(ood_score=prepared.mean(axis=(1, 2), dtype=np.float32) / 255)


def test_what_is_stranger_than_the_bound_is_declined_whatever_its_probability(bundle, lit_quadrant):
    runtime = Odd(open_runtime(bundle.graph, threads=1))
    bright, dim = lit_quadrant(0), lit_quadrant(0, value=200)

    strict = Predictor(replace(bundle, ood_threshold=0.22), runtime)
    declined, named = strict.predict([bright, dim])

    assert (declined.label, declined.abstained) == (None, True)
    assert declined.reason_code == "out_of_distribution"
    assert (named.label, named.abstained) == (CLASSES[0], False)
    assert not any(each.abstained for each in Predictor(bundle, runtime).predict([bright, dim])), "0 means no threshold"


def test_a_strangeness_that_is_no_number_is_strange(bundle):
    runtime = Odd(open_runtime(bundle.graph, threads=1))
    said = runtime(np.zeros((2, 64, 64), np.uint8))._replace(ood_score=np.array([np.nan, 0.1], np.float32))

    assert Predictor(replace(bundle, ood_threshold=0.5), runtime).is_out_of_distribution(said).tolist() == [True, False]


def test_the_bound_is_part_of_what_decides_an_answer(bundle):
    assert replace(bundle, ood_threshold=0.5).digest != bundle.digest
