"""Tests of training on several sources, from the manifest to the prediction."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from gadolin.datasets import scan
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.models.predictor import Predictor
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.readers import read
from gadolin.recipe import with_settings
from gadolin.training.data import divide
from gadolin.training.plan import Plan
from gadolin.training.train import Trained, train_model

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
MIXED = ["balance=sources", "sources.kinds=mixed", "sources.draws=24", "sources.sequence_weight=0.5", "epochs=2"]


class Finished(NamedTuple):
    """A plan, its result, and the log."""

    plan: Plan
    trained: Trained
    told: list[str]


@pytest.fixture(scope="module")
def manifest(small_phantoms, tmp_path_factory):
    """List a source with all classes on T1c, one with glioma and notumor on T2, and unspecified tumours."""
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


@pytest.fixture(scope="module")
def finished(manifest, short_plan, short_recipe, tmp_path_factory):
    """Train once on the sources; tests must not change the run."""
    out = tmp_path_factory.mktemp("runs") / "several"
    plan = short_plan(out, data=manifest, recipe=with_settings(short_recipe, MIXED))
    told: list[str] = []
    listener = logging.Handler()
    listener.emit = lambda record: told.append(record.getMessage())
    logging.getLogger("gadolin").addHandler(listener)
    try:
        return Finished(plan, train_model(plan), told)
    finally:
        logging.getLogger("gadolin").removeHandler(listener)


def test_parts_hold_classes_kinds_and_what_teaches_which(manifest, short_plan, short_recipe, tmp_path):
    parts = divide(short_plan(tmp_path / "run", data=manifest, recipe=with_settings(short_recipe, MIXED)), None)

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


def test_a_model_of_several_sources_answers_both_questions_and_names_the_sequence(finished):
    assert finished.trained.evaluation.table.classes == CLASSES
    predictor = Predictor.load(finished.plan.out)
    assert predictor.bundle.sequence == ("T1c", "T2")
    assert predictor.bundle.p_tumour[0].sequence == ""
    assert predictor.bundle.validated is not None
    answers = predictor.predict([read(one.path) for one in scan(finished.plan.data).records[:6]])
    for answer in answers:
        assert answer.p_tumour == pytest.approx(1 - answer.probabilities["notumor"], abs=1e-5)
        assert answer.sequence in ("T1c", "T2", None)
        assert answer.label is not None or answer.reason_code


def test_epochs_have_as_many_draws_as_the_recipe_says(finished):
    history = np.genfromtxt(finished.plan.out / "history.csv", delimiter=",", names=True)
    assert len(history) == 2
    assert not [line for line in finished.told if "of 6 steps" not in line and "steps is short" in line]


def test_tumours_without_an_outline_are_told(finished):
    listed = read_manifest(finished.plan.out / "manifest.csv", verify=False)
    tumours = [one for one in listed if one.split == "train" and one.label != "notumor"]
    unknown = sum(one.label == "tumor" for one in tumours)
    told = [line for line in finished.told if "have no outline" in line]
    without = f"{unknown} of {len(tumours)} tumours have no outline"
    assert told == [f"{without}, so the network does not learn their location"]


def test_going_on_from_such_a_model_keeps_what_recognises_sequences(finished, short_plan, tmp_path):
    plan = finished.plan
    recipe = with_settings(plan.recipe, ["epochs=1", "optimizer.lr=1e-9"])
    train_model(short_plan(tmp_path / "again", data=plan.data, recipe=recipe, weights=str(plan.out)))

    before, after = (
        load_file(run / "bundle" / "weights.safetensors")["sequence_head.weight"]
        for run in (plan.out, tmp_path / "again")
    )
    torch.testing.assert_close(before, after, atol=1e-4, rtol=1e-3)
