"""Tests of the packaged model: it is complete, small and predicts without other files."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gadolin.models import provenance
from gadolin.models.bundle import SHIPPED, model_place, read_bundle, require_weights
from gadolin.models.predictor import Predictor
from gadolin.models.starting_point import StartingPoint
from gadolin.phantoms import CLASSES, draw_patient
from gadolin.records import Slice
from gadolin.workflows.evaluate import evaluate

MOST_BYTES = 30 * 2**20


@pytest.fixture(scope="module")
def shipped():
    return Predictor.load(threads=1)


def test_it_is_whole_and_small():
    bundle = read_bundle(SHIPPED)

    assert require_weights(bundle).is_file()
    assert bundle.classes == CLASSES
    assert bundle.licence.startswith("CC BY-NC-SA 4.0")
    assert "CC BY 4.0" in bundle.licence
    assert {one.sequence for one in bundle.validated} == {"T1", "T1c", "T2", "FLAIR"}
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < MOST_BYTES


def test_it_names_no_folder_of_the_computer_that_trained_it():
    onnx = pytest.importorskip("onnx")
    graph = onnx.load(SHIPPED / "model.onnx")
    for tensor in graph.graph.initializer:  # any short byte sequence may occur among the weights
        tensor.ClearField("raw_data")
    weights = (SHIPPED / "weights.safetensors").read_bytes()
    header = weights[8 : 8 + int.from_bytes(weights[:8], "little")]
    contents = {path.name: path.read_bytes() for path in SHIPPED.glob("*.json")}
    contents |= {"model.onnx": graph.SerializeToString(), "weights.safetensors": header}

    assert contents.keys() == {path.name for path in SHIPPED.iterdir()}
    for name, content in contents.items():
        assert not re.findall(rb"(?<![\w.])/[A-Za-z]+/", content), f"{name} has an absolute path"
        assert b".py" not in content, name
    assert json.loads(contents["bundle.json"])["facts"]["recipe_name"]


def test_its_card_is_that_of_this_model():
    card = Path(__file__).parents[2] / "docs" / "model-card.md"

    assert f"| digest | {read_bundle(SHIPPED).digest} |" in card.read_text(encoding="utf-8")


def test_it_answers_for_a_slice_with_evidence_on_the_lesion_s_grid(shipped):
    (answer,) = shipped.predict([Slice(draw_patient("meningioma", 2, slices=1)[0].pixels.astype(np.float32))])

    assert tuple(answer.probabilities) == CLASSES
    assert sum(answer.probabilities.values()) == pytest.approx(1, abs=1e-5)


def test_it_declines_noise_and_a_blank_page(shipped, rng):
    pictures = [Slice(rng.integers(0, 256, (256, 256)).astype(np.float32)), Slice(np.full((200, 300), 255, np.float32))]

    for answer in shipped.predict(pictures):
        assert answer.abstained
        assert answer.label is None


def test_it_declines_a_screenshot_of_several_slices(shipped):
    slices = [one.pixels.astype(np.float32) for one in draw_patient("meningioma", 2, slices=4)]
    grid = np.vstack([np.hstack(slices[:2]), np.hstack(slices[2:])])

    one, several = shipped.predict([Slice(slices[0]), Slice(grid)])

    assert one.reason_code != "several_slices"
    assert (several.label, several.reason_code) == (None, "several_slices")


def test_it_is_had_by_name_whatever_else_is_called_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shipped").mkdir()
    assert model_place(None) == model_place("shipped") == model_place(Path("shipped")) == SHIPPED
    assert model_place(tmp_path / "shipped") == tmp_path / "shipped"


def test_what_it_learned_from_is_known_by_its_weights():
    assert list(provenance.TRAINING_DATA)[-1] == read_bundle(SHIPPED).weights_digest


@pytest.mark.parametrize("before", [None, 5, "abc", []])
def test_a_lineage_is_what_the_bundle_lists(before, make_bundle):
    bundle = make_bundle()
    told = replace(bundle, facts=bundle.facts | {"finetuned_from": before})
    assert provenance.weights_history(told) == (bundle.weights_digest,)
    assert provenance.pretraining_notice(provenance.weights_history(told), []) == ""


@pytest.mark.slow
def test_its_evaluation_says_what_it_learned_from(tmp_path, small_phantoms):
    evaluation = evaluate("shipped", small_phantoms)
    evaluation.write_html(tmp_path / "report.html")

    assert "trained on Figshare 1512427 (folds 0 to 3)" in (tmp_path / "report.html").read_text(encoding="utf-8")
    (note,) = evaluation.notes
    assert note.startswith("This is the packaged model or was fine-tuned from it")


@pytest.mark.slow
def test_training_may_start_from_it():
    pytest.importorskip("torch")
    from gadolin.networks import build_classifier
    from gadolin.recipe import named_recipe
    from gadolin.training.pretrained_weights import load_weights

    recipe = named_recipe("finetune").network
    network = build_classifier(recipe, classes=3)
    before = {name: tensor.clone() for name, tensor in network.backbone.state_dict().items()}

    facts = load_weights(network, recipe.backbone, StartingPoint.resolve("shipped"))

    assert facts["weights"] == "shipped"
    assert len(facts["weights_digest"]) == 64
    changed = [name for name, tensor in network.backbone.state_dict().items() if (tensor != before[name]).any()]
    assert len(changed) > 20
