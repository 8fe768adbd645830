"""Tests of the example plug-in: each of its six parts works on the command line and in the service."""

from __future__ import annotations

import re
import zlib

import cv2
import numpy as np
import pytest

from gadolin.phantoms import draw_patient

pytestmark = pytest.mark.slow

KINDS = {
    "backbone": "tinynet",
    "method": "bands",
    "reader": "gslice",
    "source": "small-phantoms",
    "check": "dark_slices",
    "runtime": "one-by-one",
}


def gslice(pixels):
    height, width = pixels.shape
    size = width.to_bytes(2, "little") + height.to_bytes(2, "little")
    return b"GSL1" + size + pixels.tobytes() + zlib.crc32(pixels.tobytes()).to_bytes(4, "little")


@pytest.fixture(scope="session")
def command(run_with, example):
    """Run a command in the environment of the example."""
    return lambda *words: run_with(*words, python=example)


@pytest.fixture(scope="session")
def slices(tmp_path_factory):
    """A data set of two classes in the example's format, with one dark slice, one damaged file, and two PNGs."""
    folder = tmp_path_factory.mktemp("gslices")
    for label in ("glioma", "notumor"):
        (folder / label).mkdir()
        for number in range(4):
            pixels = draw_patient(label, number, slices=2, size=96)[1].pixels
            (folder / label / f"{number}.gslice").write_bytes(gslice(pixels))
        cv2.imwrite(str(folder / label / "beside.png"), draw_patient(label, 9, slices=2, size=96)[1].pixels)
    (folder / "glioma" / "3.gslice").write_bytes(gslice(draw_patient("glioma", 3, slices=2, size=96)[1].pixels // 32))
    (folder / "notumor" / "damaged.gslice").write_bytes(gslice(np.zeros((96, 96), np.uint8))[:-40])
    (folder / "notumor" / "notes.txt").write_text("GSL is a format")
    return folder


def test_its_parts_are_listed_with_their_distribution_and_version(command):
    told = command("plugins", "--json")
    assert told.code == 0, told.err
    others = {one["kind"]: one for one in told.json["plugins"] if one["distribution"] != "gadolin"}
    assert {kind: one["name"] for kind, one in others.items()} == KINDS
    assert {(one["distribution"], one["version"], one["error"]) for one in others.values()} == {
        ("gadolin-example", "1.0", None)
    }
    assert {one["kind"] for one in told.json["plugins"] if one["distribution"] == "gadolin"} == set(KINDS)


def test_the_list_is_a_table_for_people(command):
    told = command("plugins")
    assert re.search(r"^reader +gslice +gadolin-example 1\.0 +ok$", told.out, re.MULTILINE)


def test_the_reader_is_used_by_predict_for_files_and_folders(command, make_bundle, slices):
    model = make_bundle().folder
    told = command("predict", "--model", model, slices / "glioma" / "0.gslice", "--json")
    assert (told.code, len(told.json["predictions"])) == (0, 1), told.err
    told = command("predict", "--model", model, slices, "--json")
    assert (told.code, len(told.json["predictions"])) == (1, 10)
    assert [one["code"] for one in told.json["errors"]] == ["gslice_damaged"]
    assert [one["code"] for one in told.json["left_out"]] == ["not_a_picture"]


def test_without_the_plugin_its_files_are_left_out(run_with, make_bundle, slices):
    told = run_with("predict", "--model", make_bundle().folder, slices, "--json")
    assert (told.code, len(told.json["predictions"])) == (0, 2)
    told = run_with("predict", "--model", make_bundle().folder, slices / "glioma" / "0.gslice", "--json")
    assert (told.code, told.json["errors"][0]["code"]) == (1, "unknown_format")


def test_the_reader_is_used_by_scan(command, slices):
    told = command("scan", slices, "--json")
    assert told.json["parts"] == {"all": {"glioma": 5, "notumor": 5}}
    assert [one["code"] for one in told.json["left_out"]] == ["not_a_picture"]


def test_the_check_finds_dark_slices_in_files_of_the_reader(command, slices, tmp_path):
    pytest.importorskip("jinja2")
    report = tmp_path / "audit.html"
    told = command("audit", slices, "--only", "dark_slices", "--report", report, "--json")
    (finding,) = told.json["findings"]
    assert (finding["kind"], finding["members"]) == ("dark_slices", [["glioma/3.gslice"]])
    assert told.json["checks"] == ["dark_slices"]
    assert "Dark slices" in report.read_text()


def test_the_check_runs_beside_all_others(command, small_phantoms):
    told = command("audit", small_phantoms, "--skip", "shortcuts", "--json")
    assert told.code == 0, told.err
    assert "dark_slices" in told.json["checks"]
    assert [one["check"] for one in told.json["not_looked"] if "skipped" in one["reason"]] == ["shortcuts"]


def test_the_source_is_fetched_and_recognised_again(command, tmp_path):
    told = command("fetch", "small-phantoms", tmp_path / "data", "--json")
    assert (told.code, told.json["release"]["name"], told.json["slices"]) == (0, "small-phantoms", 32), told.err
    assert command("scan", tmp_path / "data", "--json").json["release"]["name"] == "small-phantoms"


def test_the_runtime_predicts_what_onnxruntime_does(command, make_bundle, small_phantoms):
    words = ["predict", "--model", make_bundle().folder, small_phantoms / "Testing", "--json", "--runtime"]
    one, other = command(*words, "one-by-one"), command(*words, "onnxruntime")
    assert one.code == 0, one.err
    for here, there in zip(one.json["predictions"], other.json["predictions"], strict=True):
        assert here["probabilities"] == pytest.approx(there["probabilities"], abs=1e-6)


def test_the_method_explains_a_slice(command, make_bundle, slices, tmp_path):
    pytest.importorskip("matplotlib")
    words = ["--model", make_bundle().folder, "--method", "bands", "--out", tmp_path / "heat", "--json"]
    told = command("explain", slices / "glioma" / "0.gslice", *words)
    assert told.code == 0, told.err
    (shown,) = told.json["explained"][0]["explanations"]
    assert (shown["method"], shown["samples"]) == ("bands", 16)
    (heat,) = (tmp_path / "heat").rglob("*.npy")
    assert np.load(heat).shape == (96, 96)


def test_the_method_is_scored_against_outlines(command, make_bundle, small_phantoms, tmp_path):
    pytest.importorskip("matplotlib")
    words = ["--methods", "bands,centre", "--slices", "2", "--out", tmp_path / "scored", "--json"]
    told = command("score-explanations", make_bundle().folder, small_phantoms, *words)
    assert told.code == 0, told.err
    assert {one["method"] for one in told.json["lines"]} == {"bands", "centre"}


@pytest.mark.train
def test_the_backbone_is_trained_and_frozen(command, small_phantoms, tmp_path):
    pytest.importorskip("torch")
    short = ["epochs=1", "batch_size=8", "network.input_size=64", "progressive=1", "network.freeze=1"]
    settings = [word for one in ("network.backbone=tinynet", *short) for word in ("--set", one)]
    told = command("train", small_phantoms, "--out", tmp_path / "run", *settings, "--validation", "0.34", "--json")
    assert told.code == 0, told.err
    told = command("predict", "--model", tmp_path / "run", small_phantoms / "Testing", "--json")
    assert len(told.json["predictions"]) == 8


def test_the_service_decodes_the_format_in_its_own_process(run_with, example, make_bundle, slices):
    pytest.importorskip("fastapi")
    pytest.importorskip("httpx")
    code = """
import sys
from pathlib import Path
from fastapi.testclient import TestClient
from gadolin.models.predictor import Predictor
from gadolin.server.app import create_app
from gadolin.server.settings import Settings
if __name__ == "__main__":
    app = create_app(Predictor.load(sys.argv[1], threads=1), Settings(workers=1, hosts=("testserver",)))
    with TestClient(app) as client:
        told = client.post("/v1/predict", files=[("files", ("0.gslice", Path(sys.argv[2]).read_bytes()))])
        methods = [one["name"] for one in client.get("/v1/model").json()["methods"]]
    print(told.status_code, len(told.json()["predictions"]), "bands" in methods)
"""
    told = run_with(make_bundle().folder, slices / "glioma" / "0.gslice", python=example, code=code)
    assert told.out.split() == ["200", "1", "True"], told.err
