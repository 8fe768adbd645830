"""Tests of the phantoms of the page with the packaged model."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from gadolin.explanations.trust import SCORES_FILE
from gadolin.models.bundle import SHIPPED
from gadolin.models.predictor import Predictor
from gadolin.readers import open_file
from gadolin.server.phantoms import EXAMPLES, phantom_picture


@pytest.fixture(scope="module")
def packaged():
    return Predictor.load(SHIPPED, threads=1)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.label}-{one.seed}")
def test_the_packaged_model_decides_on_an_example_as_the_page_says(example, packaged, tmp_path):
    path = tmp_path / "phantom.png"
    path.write_bytes(phantom_picture(example.label, example.seed, 0)[0])

    found = packaged.predict(path)

    advice = "choose another seed for EXAMPLES"
    assert found.label == (None if example.declined else example.label), advice
    if example.declined:
        assert found.reason_code == "out_of_distribution", f"the reason that is told; {advice}"


def test_the_examples_begin_with_a_named_one_and_then_a_declined_one():
    assert [one.declined for one in EXAMPLES] == [False, True]
    assert all(one.why.endswith(".") for one in EXAMPLES)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_phantom_series_is_a_dicom_series_with_its_geometry(seed, tmp_path):
    content, kind = phantom_picture("glioma", seed, 3)

    assert kind == "application/zip"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        archive.extractall(tmp_path)
    places = [open_file(path).place for path in sorted(tmp_path.iterdir())]
    assert len({place.series for place in places}) == 1
    assert {place.number for place in places} == {str(seed)}
    assert len({place.position for place in places}) == 3


def test_the_page_gets_the_hit_rates_as_numbers(make_bundle, make_client):
    bundle = make_bundle()
    scored = {"n": 40, "pointing": 0.8, "iou": 0.5}
    scores = {"methods": {"evidence": {"glioma": scored}, "centre": {"glioma": scored | {"pointing": 0.1}}}}
    (bundle.folder / SCORES_FILE).write_text(json.dumps(scores), encoding="utf-8")

    with make_client(predictor=Predictor.load(bundle.folder, threads=1)) as client:
        told = client.get("/v1/model").json()["scores"]

    assert told == {
        "evidence": {"glioma": {"n": 40, "pointing": 0.8}},
        "centre": {"glioma": {"n": 40, "pointing": 0.1}},
    }


def test_the_page_gets_the_examples(client):
    told = client.get("/static/examples.json").json()

    assert [(one["label"], one["seed"], one["declined"]) for one in told] == [
        (one.label, one.seed, one.declined) for one in EXAMPLES
    ]
