"""Tests of the folder of a finished run: inputs and results."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from gadolin.datasets import scan
from gadolin.datasets.manifest import file_digest, manifest_digest, read_manifest
from gadolin.metrics import read_table
from gadolin.models.bundle import read_bundle
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.appearance import read_summary
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import prepare
from gadolin.readers import read
from gadolin.splits import SUBSETS, grouping_keys
from gadolin.training.train import train_model
from gadolin.workflows.audit import audit

FILES = {
    "bundle/bundle.json",
    "bundle/model.onnx",
    "bundle/weights.safetensors",
    "evaluation/metrics.json",
    "evaluation/predictions.csv",
    "evaluation/report.html",
    "history.csv",
    "manifest.csv",
    "readings.jsonl",
    "run.json",
}


def facts_of(run):
    return json.loads((run / "run.json").read_text())


def test_a_finished_run_holds_all_that_it_was_made_from_and_all_that_it_made(finished_run):
    there = {path.relative_to(finished_run).as_posix() for path in finished_run.rglob("*") if path.is_file()}

    assert there >= FILES
    assert all(name.startswith(("tensorboard/", "evaluation/")) for name in there - FILES)
    assert any(name.startswith("tensorboard/") for name in there)


def test_run_json_tells_how_the_run_was_made(finished_run, short_recipe):
    facts = facts_of(finished_run)

    resolved = replace(short_recipe, network=replace(short_recipe.network, evidence="outlines"))
    assert facts["finished"] is True
    assert facts["recipe"] == resolved.as_json()
    assert (facts["recipe_name"], facts["weights"]) == ("default", "none")
    assert (facts["seed"], facts["precision"], facts["device"]) == (3, "float32", "cpu")
    assert facts["manifest_digest"] == manifest_digest(read_manifest(finished_run / "manifest.csv"))
    assert facts["versions"].keys() >= {"gadolin", "torch", "timm", "onnxruntime", "numpy"}
    assert facts["counts"]["test"] == dict.fromkeys(("glioma", "meningioma", "notumor", "pituitary"), 2)
    assert facts["patients"] == 16
    assert facts["chosen_epoch"] in (1, 2)
    assert facts["chosen"]["epoch"] == facts["chosen_epoch"]
    assert facts["training_seconds"] > 0


def test_the_bundle_names_its_files_by_their_digests(finished_run):
    bundle = Predictor.load(finished_run).bundle

    assert bundle.graph_digest == file_digest(bundle.graph)
    assert bundle.weights_digest == file_digest(bundle.weights)
    assert bundle.manifest_digest == facts_of(finished_run)["manifest_digest"]
    assert bundle.classes == ("glioma", "meningioma", "notumor", "pituitary")
    assert bundle.metrics["validation"]["slices"] == 8


def test_the_bundle_keeps_what_its_training_part_looks_like(finished_run):
    groups, quantiles = read_summary(read_bundle(finished_run).facts["statistics"])
    learned = [one for one in read_manifest(finished_run / "manifest.csv") if one.split == "train"]
    assert groups[""] == len(set(grouping_keys(learned)))
    assert set(quantiles) == {"", *(one.label for one in learned)}


def test_the_test_part_was_read_exactly_once(finished_run):
    readings = [json.loads(line) for line in (finished_run / "readings.jsonl").read_text().splitlines()]

    assert [reading["slices"] for reading in readings] == [8]
    assert readings[0]["parts"] == {"new_patient": 8}


def test_the_test_part_shares_with_training_what_the_audit_says(leaky_data, short_plan, tmp_path):
    out = tmp_path / "run"
    train_model(short_plan(out, data=leaky_data))

    (reading,) = [json.loads(line) for line in (out / "readings.jsonl").read_text().splitlines()]
    (audited,) = (one for one in audit(leaky_data).parts if one.part == "test" and not one.label)
    assert reading["parts"] == {name: getattr(audited, name) for name in SUBSETS}
    assert reading["parts"]["duplicate"] == 4
    assert reading["duplicates_by"] == "pixels"


def test_the_parts_share_no_patient_and_no_group(finished_run, small_phantoms):
    records = read_manifest(finished_run / "manifest.csv")

    assert {record.digest for record in records} == {record.digest for record in scan(small_phantoms).records}
    assert {record.split for record in records} == {"train", "validation", "test"}
    for key in ("patient", "group"):
        parts = {}
        for record in records:
            parts.setdefault(getattr(record, key), set()).add(record.split)
        assert all(len(names) == 1 for names in parts.values())


def test_training_saw_byte_for_byte_what_prediction_prepares(finished_run):
    records = read_manifest(finished_run / "manifest.csv")
    predictor = Predictor.load(finished_run)

    cached = prepared_slices(records, predictor.bundle.preparation).slices

    for row, record in zip(cached, records, strict=True):
        assert row.tobytes() == prepare(read(record.path), predictor.bundle.preparation).tobytes()


def test_the_predictions_on_record_are_those_of_the_bundle_on_the_files(finished_run):
    table = read_table(finished_run / "evaluation" / "predictions.csv")
    predictor = Predictor.load(finished_run, threads=1)

    answers = predictor.predict([read(Path(path)) for path in table.paths], list(table.paths))

    likely = [[answer.probabilities[name] for name in table.classes] for answer in answers]
    np.testing.assert_allclose(likely, table.probabilities, atol=1e-5)
    assert len(table) == 8


def test_the_history_has_a_row_for_each_epoch(finished_run):
    with (finished_run / "history.csv").open(newline="") as file:
        assert [row["epoch"] for row in csv.DictReader(file)] == ["1.0", "2.0"]
