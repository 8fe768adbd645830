"""Promises of one training on several sources, from the manifest to the answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gadolin.manifest import write_manifest
from gadolin.phantom import PhantomPlan, write_phantoms
from gadolin.predictor import Predictor
from gadolin.readers import read
from gadolin.recipe import with_settings
from gadolin.sources import scan
from gadolin.training.parts import divide
from gadolin.training.run import train_model

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
MIXED = ["balance=sources", "sources.kinds=mixed", "sources.draws=24", "sources.sequence_weight=0.5", "epochs=2"]


@pytest.fixture(scope="module")
def manifest(small_phantoms, tmp_path_factory):
    """List a source with all kinds on T1c, one with gliomas and none on T2, and tumours of no known kind."""
    folder = tmp_path_factory.mktemp("several")
    write_phantoms(folder / "second", PhantomPlan(patients=4, slices=2, size=96, seed=9))
    first = [replace(one, source="all kinds", sequence="T1c") for one in scan(small_phantoms).records]
    second = scan(folder / "second").records
    other = [
        replace(one, source="gliomas", sequence="T2", patient=f"other-{one.patient}")
        for one in second
        if one.label in ("glioma", "notumor")
    ]
    unknown = [
        replace(one, label="tumor", source="web", split="train", patient="", outline="")
        for one in second
        if one.label == "meningioma"
    ]
    path = folder / "manifest.csv"
    write_manifest(path, [*first, *other, *unknown])
    return path


@pytest.fixture
def plan(manifest, short_plan, short_recipe, tmp_path):
    return short_plan(tmp_path / "run", data=manifest, recipe=with_settings(short_recipe, MIXED))


def test_parts_hold_classes_kinds_and_what_teaches_which(plan):
    parts = divide(plan, None)

    assert parts.classes == CLASSES
    assert parts.train.kinds == (0, 1, 3)
    learned = [one for one in parts.records if one.split == "train"]
    teaches = [one.source == "all kinds" or one.label == "notumor" for one in learned]
    assert parts.train.kind_known.tolist() == teaches
    assert parts.sequences == ("T1c", "T2")
    wanted = [{"T1c": 0, "T2": 1, "": -1}[one.sequence] for one in learned]
    assert parts.train.sequences.tolist() == wanted
    assert parts.train.chances.sum() == pytest.approx(1)
    assert all(one.label != "tumor" for one in parts.records if one.split != "train")


def test_a_model_of_several_sources_answers_both_questions_and_names_the_sequence(plan, manifest):
    evaluation = train_model(plan).evaluation

    assert evaluation.table.classes == CLASSES
    predictor = Predictor.load(plan.out)
    assert predictor.bundle.sequence == ("T1c", "T2")
    assert predictor.bundle.p_tumour[0].sequence == ""
    assert predictor.bundle.validated is not None
    answers = predictor.predict([read(one.path) for one in scan(manifest).records[:6]])
    for answer in answers:
        assert answer.p_tumour == pytest.approx(1 - answer.probabilities["notumor"], abs=1e-5)
        assert answer.sequence in ("T1c", "T2", None)
        assert answer.label is not None or answer.reason_code


def test_going_on_from_such_a_model_keeps_what_recognises_sequences(plan, short_plan, tmp_path):
    train_model(plan)
    again = short_plan(
        tmp_path / "again",
        data=plan.data,
        recipe=with_settings(plan.recipe, ["epochs=1", "optimizer.lr=1e-9"]),
        weights=str(plan.out),
    )
    train_model(again)

    before, after = (load_file(run / "bundle" / "weights.safetensors") for run in (plan.out, again.out))
    torch.testing.assert_close(before["sequence_head.weight"], after["sequence_head.weight"], atol=1e-4, rtol=1e-3)


def test_epochs_have_as_many_draws_as_the_recipe_says(plan):
    train_model(plan)

    history = np.genfromtxt(plan.out / "history.csv", delimiter=",", names=True)
    assert len(history) == 2
    assert (plan.out / "manifest.csv").is_file()
