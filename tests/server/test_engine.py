"""Tests of API predictions: same as those of the command line and of Python, for every kind of file."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets.labels import class_name
from gadolin.explanations import Options, explain
from gadolin.phantoms import CLASSES, draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes
from gadolin.readers import read
from gadolin.records import JSON_FORMAT, NOTICE
from gadolin.server.problems import ProblemError
from gadolin.workflows.predict_files import predict_files


def heat_of(told):
    raw = np.frombuffer(base64.b64decode(told["data"]), np.int8).reshape(told["height"], told["width"])
    return raw.astype(np.float32) / 127 * told["scale"]


def zipped(members):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture
def saved(png, tmp_path):
    paths = []
    for number, label in enumerate(CLASSES):
        path = tmp_path / f"{label}.png"
        path.write_bytes(png(label, number))
        paths.append(path)
    return paths


@pytest.mark.slow
def test_predictions_are_those_of_python_field_by_field(client, predictor, saved, sent):
    wanted = predictor.predict([read(path) for path in saved], [path.name for path in saved])

    answer = client.post("/v1/predict", files=sent(*((path.name, path.read_bytes()) for path in saved)))

    assert answer.status_code == 200
    assert answer.json() == {
        "format": JSON_FORMAT,
        "notice": NOTICE,
        "model": predictor.bundle.digest,
        "predictions": [one.as_json() for one in wanted],
        "errors": [],
        "errors_by_code": {},
        "left_out": [],
        "left_out_by_code": {},
    }


def test_the_picture_comes_back_as_it_was_and_the_evidence_on_its_pixels(client, predictor, saved, sent):
    image = read(saved[0])

    answer = client.post(
        "/v1/predict", files=sent(("a.png", saved[0].read_bytes())), data={"include": "picture,evidence"}
    )

    (one,) = answer.json()["predictions"]
    told = one["picture"]
    levels = np.frombuffer(base64.b64decode(told["data"]), "<u2").reshape(told["height"], told["width"])
    pixels = told["low"] + levels / 65535 * (told["high"] - told["low"])
    np.testing.assert_allclose(pixels, image.pixels, atol=0.01)
    wanted = explain(predictor, image)
    assert one["evidence"]["class"] == wanted.label
    np.testing.assert_allclose(heat_of(one["evidence"]), wanted.heat, atol=np.abs(wanted.heat).max() / 100)
    assert f"on slices predicted as {class_name(wanted.label)} was not measured" in one["evidence"]["trust"]


def test_evidence_that_is_zero_everywhere_is_said_to_show_nothing(client, sent):
    black = io.BytesIO()
    Image.new("L", (64, 64)).save(black, format="PNG")
    files = sent(("black.png", black.getvalue()))
    (one,) = client.post("/v1/predict", files=files, data={"include": "picture,evidence"}).json()["predictions"]
    assert one["evidence"]["scale"] == 0
    assert one["evidence"]["trust"].startswith("The evidence map is zero everywhere: no region of this slice")


@pytest.mark.parametrize("method", ["evidence", "lime", "shap"])
@pytest.mark.slow
def test_explanations_are_those_of_python(method, client, predictor, saved, sent):
    options = Options(samples=80, pieces=12, seed=3)
    wanted = explain(predictor, read(saved[1]), method=method, label="pituitary", options=options)

    answer = client.post(
        "/v1/explain",
        files=sent(("b.png", saved[1].read_bytes())),
        data={"method": method, "class": "pituitary", "samples": 80, "pieces": 12, "seed": 3},
    )

    (told,) = answer.json()["explained"]
    (verdict,) = predictor.predict([read(saved[1])])
    assert {name: told[name] for name in verdict.verdict_json()} == verdict.verdict_json()
    (one,) = told["explanations"]
    assert (one["method"], one["class"], one["samples"]) == (method, "pituitary", wanted.samples)
    assert one["probability"] == pytest.approx(wanted.probability, abs=1e-6)
    np.testing.assert_allclose(heat_of(one["heat"]), wanted.heat, atol=np.abs(wanted.heat).max() / 100 + 1e-9)
    assert "gadolin score-explanations measures it" in one["trust"]


def test_one_bad_file_is_told_beside_the_answers_for_the_others(client, png, sent):
    good = png()

    answer = client.post("/v1/predict", files=sent(("good.png", good), ("cut.png", good[:200])))

    assert answer.status_code == 200
    told = answer.json()
    assert [one["path"] for one in told["predictions"]] == ["good.png"]
    (error,) = told["errors"]
    assert (error["path"], error["frame"]) == ("cut.png", None)
    assert error["code"] == "damaged_file"
    assert error["error"].startswith("cut.png: ")


def test_errors_are_those_of_the_command_line_word_for_word(client, predictor, png, sent, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files = {"good.png": png(), "cut.png": png()[:200], "text.png": b"no picture"}
    for name, content in files.items():
        Path(name).write_bytes(content)
    wanted = [each.as_json() for each in predict_files(predictor, list(files))]

    told = client.post("/v1/predict", files=sent(*files.items())).json()

    assert [*told["predictions"], *told["errors"]] == wanted


@pytest.mark.slow
def test_a_folder_is_answered_for_without_what_is_no_slice_of_it(client, png, sent):
    localiser = dicom_bytes(
        np.zeros((32, 32), np.uint16), DicomFacts(more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    )
    files = {"a/README.txt": b"read me", "a/1.png": png(), "a/0.dcm": localiser, "a/cut.png": png()[:200]}

    told = client.post("/v1/predict", files=sent(*files.items())).json()
    named = client.post("/v1/predict", files=sent(("README.txt", b"read me"), ("1.png", png()))).json()

    assert [one["path"] for one in told["predictions"]] == ["a/1.png"]
    assert [one["path"] for one in told["errors"]] == ["a/cut.png"]
    assert [one["path"] for one in named["errors"]] == ["README.txt"], "a file that is sent alone gets a result"


def test_a_file_that_a_decoder_dies_of_takes_no_other_with_it(client, png, sent, monkeypatch):
    from gadolin.server.decoder_pool import Decoders

    submit = Decoders.submit

    def dying(self, content, wanted):
        if content == b"deadly":
            future = Future()
            future.set_exception(ProblemError(503, code="decoder_died", rule="it died", retry_seconds=1))
            return future
        return submit(self, content, wanted)

    monkeypatch.setattr(Decoders, "submit", dying)
    both = client.post("/v1/predict", files=sent(("a.png", png()), ("b.png", b"deadly")))
    alone = client.post("/v1/predict", files=sent(("b.png", b"deadly")))

    assert [one["path"] for one in both.json()["predictions"]] == ["a.png"]
    assert both.json()["errors"] == [
        {"path": "b.png", "frame": None, "code": "decoder_died", "error": "b.png: it died"}
    ]
    assert (alone.status_code, alone.headers["retry-after"]) == (503, "1")


def test_a_series_is_answered_for_in_anatomical_order(client, sent):
    stack = [one.pixels for one in draw_patient("glioma", 1, slices=4, size=96)]
    files = [
        (f"{number}.dcm", dicom_bytes(pixels, DicomFacts(position=(0.0, 0.0, 10.0 * number))))
        for number, pixels in enumerate(stack)
    ]

    answer = client.post("/v1/predict", files=sent(*[files[place] for place in (2, 0, 3, 1)]))

    assert [one["path"] for one in answer.json()["predictions"]] == [name for name, _ in files]


def test_two_series_come_one_after_the_other_each_in_anatomical_order_with_its_facts(client, predictor, sent, tmp_path):
    pixels = draw_patient("glioma", 1, slices=1, size=96)[0].pixels
    facts = {
        (number, height): DicomFacts(
            series=f"1.2.{number}",
            position=(0.0, 0.0, 10.0 * height),
            more={"SeriesNumber": number, "SeriesDescription": "T1 AX"},
        )
        for number in (301, 4)
        for height in range(3)
    }
    shuffled = [(301, 2), (4, 1), (301, 0), (4, 0), (4, 2), (301, 1)]
    files = [(f"{place}.dcm", dicom_bytes(pixels, facts[key])) for place, key in enumerate(shuffled)]

    predictions = client.post("/v1/predict", files=sent(*files)).json()["predictions"]

    series = [one["series"] for one in predictions]
    order = [(one["number"], one["position_mm"]) for one in series]
    assert order == [(301, 0.0), (301, 10.0), (301, 20.0), (4, 0.0), (4, 10.0), (4, 20.0)]
    assert len({one["key"] for one in series}) == 2
    for name, content in files:
        (tmp_path / name).write_bytes(content)
    alone = {one.path: one for one in predict_files(predictor, [str(tmp_path / name) for name, _ in files])}
    for one in predictions:
        told = alone[str(tmp_path / one["path"])].as_json() | {"path": one["path"]}
        assert json.loads(json.dumps(told)) == one


def test_a_volume_has_one_answer_for_each_slice_and_one_can_be_asked_for_alone(client, sent):
    stack = np.stack([one.pixels for one in draw_patient("glioma", 1, slices=5, size=64)])
    volume = nifti_bytes(stack.transpose(2, 1, 0))

    every = client.post("/v1/predict", files=sent(("v.nii", volume))).json()["predictions"]
    alone = client.post("/v1/predict", files=sent(("v.nii", volume)), data={"frame": 3}).json()["predictions"]

    assert [one["frame"] for one in every] == [0, 1, 2, 3, 4]
    assert alone == [every[3]]


def test_an_archive_is_read_in_memory_without_what_is_hidden(client, png, sent):
    archive = zipped({"one/a.png": png(), "__MACOSX/one/._a.png": b"x", ".DS_Store": b"x", "b.png": png("notumor", 2)})

    told = client.post("/v1/predict", files=sent(("set.zip", archive))).json()
    only = client.post("/v1/predict", files=sent(("set.zip", archive)), data={"only": "set.zip/b.png"}).json()

    assert [one["path"] for one in told["predictions"]] == ["set.zip/one/a.png", "set.zip/b.png"]
    assert only["predictions"] == told["predictions"][1:]


def test_the_model_tells_methods_trust_and_limits(client, predictor, settings):
    told = client.get("/v1/model").json()

    assert (told["notice"], told["model"], told["classes"]) == (NOTICE, predictor.bundle.digest, list(CLASSES))
    assert [one["name"] for one in told["methods"] if one["available"]] == ["evidence", "lime", "shap"]
    assert set(told["trust"]["lime"]) == set(CLASSES)
    assert told["limits"]["max_files"] == settings.limits.max_files


def test_a_phantom_is_a_slice_and_a_series_an_archive(client, sent):
    slice_, series = client.get("/v1/phantom"), client.get("/v1/phantom?label=meningioma&seed=4&series=3")

    assert slice_.headers["content-type"] == "image/png"
    assert len(client.post("/v1/predict", files=sent(("p.png", slice_.content))).json()["predictions"]) == 1
    assert len(client.post("/v1/predict", files=sent(("p.zip", series.content))).json()["predictions"]) == 3
    for wrong in ("label=gliomma", "series=1000", "seed=-1", "seed=x"):
        refused = client.get(f"/v1/phantom?{wrong}")
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.status_code, refused.json()["code"]) == (422, "field_invalid")


def test_every_path_is_documented_with_its_answers(client):
    told = client.get("/openapi.json").json()

    assert set(told["paths"]) == {
        "/health", "/ready", "/metrics", "/v1/model", "/v1/phantom", "/v1/predict", "/v1/explain", "/v1/jobs",
        "/v1/jobs/{name}", "/v1/dicom",
    }  # fmt: skip
    assert told["info"]["description"] == NOTICE
    assert told["externalDocs"]["url"] == "docs"
    schemas = told["components"]["schemas"]
    forms = {"predict": "PredictForm", "explain": "ExplainForm", "jobs": "JobForm", "dicom": "DicomForm"}
    for path, form in forms.items():
        asked = told["paths"][f"/v1/{path}"]["post"]
        (content,) = asked["requestBody"]["content"].items()
        assert content == ("multipart/form-data", {"schema": {"$ref": f"#/components/schemas/{form}"}})
        assert schemas[form]["required"] == ["files"]
        assert {"413", "415", "422", "429", "503"} <= set(asked["responses"])
    refused = [
        answer["content"]
        for path in told["paths"].values()
        for operation in path.values()
        for status, answer in operation["responses"].items()
        if int(status) >= 400
    ]
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    assert [each for each in refused if each != problem] == []
    assert set(schemas["Problem"]["required"]) == {"type", "title", "status", "code", "detail"}
    assert json.dumps(told)


def test_the_page_and_its_files_are_there_and_nothing_else(client):
    page = client.get("/")

    assert page.headers["content-type"].startswith("text/html")
    assert NOTICE in page.text
    for name in ("app.js", "style.css", "icon.svg", "viewer.js"):
        found = client.get(f"/static/{name}")
        assert found.status_code == 200
        assert client.get(f"/static/{name}", headers={"If-None-Match": found.headers["etag"]}).status_code == 304
    for name in ("app.py", "..%2fapp.py", "nothing.js"):
        assert client.get(f"/static/{name}").status_code == 404
    assert client.get("/health").json() == {"status": "ok"}
    assert client.get("/ready").json() == {"status": "ready"}


def test_the_housekeeping_of_a_folder_or_an_archive_is_left_out_as_on_the_command_line(client, png, sent):
    inside = {
        "@eaDir/a.png": png(),
        "sub/Thumbs.db": b"x",
        "__MACOSX/._a.png": b"x",
        "./b.png": png(),
        "../c.png": png(),
    }
    folder = [(f"@eaDir/{name}", content) for name, content in inside.items()]

    answer = client.post("/v1/predict", files=sent(*folder, ("z.zip", zipped(inside)))).json()

    wanted = ["@eaDir/./b.png", "@eaDir/../c.png", "z.zip/./b.png", "z.zip/../c.png"]
    assert [one["path"] for one in answer["predictions"]] == wanted
    assert answer["errors"] == []
    assert answer["left_out_by_code"] == {"housekeeping": 6}
    assert {one["path"] for one in answer["left_out"]} == {
        f"{base}/{name}"
        for base in ("@eaDir", "z.zip")
        for name in ("@eaDir/a.png", "sub/Thumbs.db", "__MACOSX/._a.png")
    }
