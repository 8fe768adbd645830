from __future__ import annotations

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from gadolin.datasets.manifest import file_digest, read_manifest, write_manifest
from gadolin.errors import BundleError, DataError, OutputError, RequestError
from gadolin.models.bundle import read_bundle
from gadolin.models.predictor import Predictor
from gadolin.models.provenance import weights_history
from gadolin.networks import build_classifier
from gadolin.preprocessing.montage import HEAD_COUNTER
from gadolin.recipe import with_settings
from gadolin.records import NO_LESION
from gadolin.reports.evaluation import Evaluation
from gadolin.training import bundling
from gadolin.training.data import divide
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import _mark_lesion_classes, train_model


def facts_of(run):
    return json.loads((run / "run.json").read_text())


def contents(folder):
    return {path.relative_to(folder).as_posix(): file_digest(path) for path in folder.rglob("*") if path.is_file()}


def interrupt_in_epoch(number):
    def progress(done, total, what):
        if what.startswith(f"epoch {number}/"):
            raise KeyboardInterrupt

    return progress


@pytest.fixture
def graph_of_finished(finished_run, monkeypatch):
    """Export by copying the finished run's graph, which is correct for a network with the same weights."""

    def copy(network, examples, graph):
        shutil.copy(finished_run / "bundle" / "model.onnx", graph)
        return file_digest(graph)

    monkeypatch.setattr(bundling, "export_graph", copy)
    monkeypatch.setattr(bundling, "add_ood_score", lambda graph, _: file_digest(graph))


@pytest.fixture(scope="session")
def two_classes(small_phantoms, tmp_path_factory):
    """Write a folder of two classes without splits, patients or outlines, with two mirrored duplicates."""
    folder = tmp_path_factory.mktemp("two") / "data"
    for label, name in (("glioma", "alpha"), ("notumor", "beta")):
        (folder / name).mkdir(parents=True)
        files = sorted(small_phantoms.glob(f"*/{label}/*.png"))
        for path in files:
            shutil.copy(path, folder / name / path.name)
        Image.open(files[0]).transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(folder / name / "mirrored.png")
    return folder


def test_a_small_validation_part_tells_how_strange_a_slice_is_but_declines_none(finished_run):
    predictor = Predictor.load(finished_run)

    assert (predictor.bundle.ood_threshold, predictor.bundle.confidence_threshold) == (0, 0)
    said = predictor.run_network(np.zeros((2, 256, 256), np.uint8))
    assert said.ood_score.shape == (2,)
    assert not predictor.is_out_of_distribution(said).any()


def test_what_is_too_little_to_learn_or_to_set_bounds_from_is_told(
    finished_run, short_plan, graph_of_finished, tmp_path, caplog, monkeypatch
):
    train_model(short_plan(tmp_path / "run"))

    assert "a training of 4 steps is short: --set epochs=200 makes 400 steps" in caplog.text
    assert "validation slices are too few to set thresholds" in caplog.text

    caplog.clear()
    monkeypatch.setattr(bundling, "ENOUGH", 1)
    monkeypatch.setattr(
        "gadolin.training.calibrate.fit_confidence_threshold",
        lambda likely, truth, weights=None: 0.42 * (len(likely) == len(truth)),
    )
    monkeypatch.setattr("gadolin.training.train._FEW_STEPS", 1)
    train_model(short_plan(tmp_path / "other"))

    assert not [record for record in caplog.records if record.levelname == "WARNING"]
    bundle = Predictor.load(tmp_path / "other").bundle
    assert bundle.ood_threshold > 0
    assert bundle.head_counter == HEAD_COUNTER
    assert bundle.confidence_threshold == 0.42


def test_frozen_random_weights_are_warned_about(short_plan, short_recipe, graph_of_finished, tmp_path, caplog):
    frozen = with_settings(short_recipe, ["network.freeze=1", "epochs=1"])

    train_model(short_plan(tmp_path / "frozen", recipe=frozen))

    assert "network.freeze=1 and network.freeze_blocks=0 freeze random weights" in caplog.text


def test_the_same_seed_trains_the_same_network(finished_run, short_plan, graph_of_finished, tmp_path):
    train_model(short_plan(tmp_path / "again"))

    name = "bundle/weights.safetensors"
    assert contents(tmp_path / "again")[name] == contents(finished_run)[name]
    assert Predictor.load(tmp_path / "again").bundle.digest == Predictor.load(finished_run).bundle.digest


def test_an_interrupted_run_goes_on_to_the_same_network(finished_run, short_plan, graph_of_finished, tmp_path):
    out = tmp_path / "broken"
    with pytest.raises(KeyboardInterrupt):
        train_model(short_plan(out), progress=interrupt_in_epoch(2))

    assert facts_of(out)["finished"] is False
    with pytest.raises(BundleError) as caught:
        Predictor.load(out)
    assert caught.value.code == "model_incomplete"
    assert "resume" in caught.value.remedy
    with pytest.raises(DataError) as caught:
        train_model(short_plan(out, resume=True, machine=Machine("cpu", "float32", 4)))
    assert caught.value.code == "run_settings_differ"
    assert "seed " in caught.value.got
    with pytest.raises(DataError) as caught:
        train_model(short_plan(out, resume=True, weights=str(finished_run)))
    assert caught.value.code == "run_settings_differ"
    assert "weights_digest " in caught.value.got
    with pytest.raises(DataError) as caught:
        train_model(short_plan(out))
    assert caught.value.code == "output_not_empty"

    train_model(short_plan(out, resume=True))

    weights = [load_file(run / "bundle" / "weights.safetensors") for run in (out, finished_run)]
    assert all(weights[0][name].equal(weights[1][name]) for name in weights[1])
    assert len((out / "readings.jsonl").read_text().splitlines()) == 1
    assert not (out / "checkpoint.safetensors").exists()


def test_two_classes_of_any_name_without_parts_are_cut_by_group(two_classes, tiny_compact, short_recipe, tmp_path):
    recipe = with_settings(short_recipe, ["epochs=1"])
    machine = Machine("cpu", "float32", 0)

    trained = train_model(Plan(two_classes, tmp_path / "run", recipe, machine=machine, validation=0.25, test=0.25))

    records = read_manifest(tmp_path / "run" / "manifest.csv")
    parts = {}
    for record in records:
        parts.setdefault((record.group, record.label), set()).add(record.split)
    assert isinstance(trained.evaluation, Evaluation)
    assert trained.provenance.finished
    assert len(records) == 18
    assert {(record.split, record.label) for record in records} == {
        (part, label) for part in ("train", "validation", "test") for label in ("alpha", "beta")
    }
    assert len(parts) <= 16
    assert all(len(names) == 1 for names in parts.values())
    assert Predictor.load(tmp_path / "run").bundle.classes == ("alpha", "beta")
    assert facts_of(tmp_path / "run")["recipe"]["network"]["evidence"] == "map"


def test_a_folder_that_holds_another_run_is_refused_and_kept(finished_run, short_plan):
    before = contents(finished_run)

    with pytest.raises(DataError) as caught:
        train_model(short_plan(finished_run))
    assert caught.value.code == "output_not_empty"
    assert str(finished_run) in caught.value.got
    assert "--resume" in caught.value.remedy

    assert contents(finished_run) == before


def test_a_finished_run_cannot_be_resumed(finished_run, short_plan):
    before = contents(finished_run)

    with pytest.raises(DataError) as caught:
        train_model(short_plan(finished_run, resume=True))
    assert caught.value.code == "run_finished"

    assert contents(finished_run) == before


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "run_not_found"),
        ("", "run_damaged"),
        ("[1]", "run_damaged"),
        ("{", "run_damaged"),
        ("{}", "run_format_unknown"),
        ('{"format": 2}', "run_damaged"),
        ('{"format": 2, "sed": 3}', "run_damaged"),
    ],
)
def test_only_a_recorded_run_can_be_resumed(content, code, short_plan, tmp_path):
    if content is not None:
        (tmp_path / "run.json").write_text(content)

    with pytest.raises(DataError) as refusal:
        train_model(short_plan(tmp_path, resume=True))

    assert refusal.value.code == code


def test_a_file_in_the_way_of_the_run_folder_is_named(short_plan, tmp_path):
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(DataError) as caught:
        train_model(short_plan(tmp_path / "file"))
    assert caught.value.code == "output_not_empty"
    with pytest.raises(OutputError) as caught:
        train_model(short_plan(tmp_path / "file" / "run"))
    assert caught.value.code == "unwritable"
    assert str(tmp_path / "file" / "run") in str(caught.value)


def test_a_full_disk_ends_a_run_with_what_to_do(short_plan, tiny_compact, tmp_path, monkeypatch):
    def full(self, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)

    with pytest.raises(OutputError) as caught:
        train_model(short_plan(tmp_path / "run"))
    assert caught.value.code == "unwritable"
    assert "No space left on device" in str(caught.value)


def test_a_run_that_a_full_disk_ended_goes_on_once_there_is_space(short_plan, tmp_path, monkeypatch):
    write = Path.write_bytes

    def full(self, content):
        if self.name.startswith(".report.html"):
            raise OSError(28, "No space left on device")
        return write(self, content)

    out = tmp_path / "run"
    recipe = with_settings(short_plan(out).recipe, ["epochs=1", "network.evidence=map"])
    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError) as caught:
        train_model(short_plan(out, recipe=recipe))
    assert caught.value.code == "unwritable"
    assert "report.html" in str(caught.value)
    monkeypatch.undo()
    assert facts_of(out)["finished"] is False
    assert not list(out.rglob(".*"))

    trained = train_model(short_plan(out, recipe=recipe, resume=True))

    assert isinstance(trained.evaluation, Evaluation)
    assert trained.provenance.finished
    assert facts_of(out)["finished"] is True
    readings = [json.loads(line) for line in (out / "readings.jsonl").read_text().splitlines()]
    assert len(readings) == 2
    assert readings[0]["accuracy"] == readings[1]["accuracy"]


def test_asking_for_outlines_where_there_are_none_is_refused(two_classes, short_recipe, short_plan, tmp_path):
    recipe = with_settings(short_recipe, ["network.evidence=outlines"])

    with pytest.raises(DataError) as caught:
        train_model(short_plan(tmp_path / "run", data=two_classes, recipe=recipe, test=0.25))
    assert caught.value.code == "no_outlines"

    assert list((tmp_path / "run").iterdir()) == []


def test_a_class_that_is_missing_in_a_part_is_named(small_phantoms, short_plan, tmp_path):
    rows = (small_phantoms / "manifest.csv").read_text().splitlines()
    head = rows[0].split(",")
    changed = [head]
    for row in csv.reader(rows[1:]):
        row[0] = str(small_phantoms / row[0])
        row[head.index("outline")] = ""
        split = head.index("split")
        row[split] = "validation" if row[split] == "train" and row[1] != "glioma" else row[split]
        changed.append(row)
    with (tmp_path / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows(changed)

    with pytest.raises(DataError) as caught:
        train_model(short_plan(tmp_path / "run", data=tmp_path / "manifest.csv"))
    assert caught.value.code == "class_missing_in_part"
    assert "'meningioma'" in caught.value.got

    assert list((tmp_path / "run").iterdir()) == []


@pytest.mark.parametrize("share", [0, 1, -0.1, float("nan")])
@pytest.mark.parametrize("name", ["validation", "test"])
def test_a_share_that_leaves_nothing_on_one_side_is_refused(name, share, short_plan, tmp_path):
    with pytest.raises(RequestError) as caught:
        short_plan(tmp_path, **{name: share})
    assert caught.value.code == "share_out_of_range"
    assert name in caught.value.rule
    assert str(share) in caught.value.got


def test_weights_of_a_run_that_learned_from_what_is_held_out_are_refused(finished_run, short_plan, tmp_path):
    listed = finished_run / "manifest.csv"
    turned = {"train": "test", "test": "train"}
    records = [replace(one, split=turned.get(one.split, one.split)) for one in read_manifest(listed)]
    write_manifest(tmp_path / "turned.csv", records)

    with pytest.raises(DataError) as caught:
        train_model(short_plan(tmp_path / "run", data=tmp_path / "turned.csv", weights=str(finished_run / "bundle")))
    assert caught.value.code == "held_out_was_learned"
    assert "manifest.csv" in caught.value.remedy
    assert not (tmp_path / "run" / "run.json").exists()


def test_a_run_goes_on_from_another_with_its_parts(finished_run, short_plan, graph_of_finished, tmp_path):
    plan = short_plan(tmp_path / "run", data=finished_run / "manifest.csv", weights=str(finished_run))

    train_model(plan)

    facts = facts_of(tmp_path / "run")
    before = read_bundle(finished_run).weights_digest
    assert (facts["weights_head"], facts["finetuned_from"]) == ("kept", [before])
    own = read_bundle(tmp_path / "run")
    assert weights_history(own) == (own.weights_digest, before)


def test_a_class_whose_slices_all_show_no_lesion_is_named_as_the_recipe_says_and_else_as_the_weights_do(
    small_phantoms, short_recipe, short_plan, graph_of_finished, tmp_path
):
    records = [
        replace(one, outline=NO_LESION) if one.label == "notumor" else one
        for one in read_manifest(small_phantoms / "manifest.csv")
    ]
    write_manifest(tmp_path / "known.csv", records)
    classes = sorted({one.label for one in records})

    def lesions(name, no_lesion_class, data, weights="none"):
        settings = ["network.evidence=outlines", f"network.no_lesion_class={no_lesion_class}", "epochs=1"]
        recipe = with_settings(short_recipe, settings)
        train_model(short_plan(tmp_path / name, data=data, recipe=recipe, weights=str(weights)))
        return load_file(tmp_path / name / "bundle" / "weights.safetensors")["head.lesion"].tolist()

    absent = [float(each != "notumor") for each in classes]
    first = tmp_path / "first"
    assert lesions("first", "residual", tmp_path / "known.csv") == absent
    assert lesions("on", "auto", first / "manifest.csv", first) == absent
    assert lesions("turned", "evidence", first / "manifest.csv", first) == [1.0] * len(classes)


def test_a_residual_class_that_changes_nothing_is_told(small_phantoms, short_recipe, short_plan, tmp_path, caplog):
    recipe = with_settings(short_recipe, ["network.evidence=outlines", "network.no_lesion_class=residual"])
    plan = short_plan(tmp_path / "run", data=small_phantoms / "manifest.csv", recipe=recipe)
    network = build_classifier(recipe.network, 4)

    _mark_lesion_classes(network, "residual", divide(plan, None))

    assert network.head.lesion.tolist() == [1.0] * 4
    assert "network.no_lesion_class=residual has no effect" in caplog.text
