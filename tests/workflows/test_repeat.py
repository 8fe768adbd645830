"""Tests of repeating a run from its folder alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch

from gadolin.errors import WeightsError
from gadolin.models.bundle import read_bundle
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.recipe import named_recipe, with_settings
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

pytestmark = pytest.mark.train

SETTINGS = ["epochs=2", "batch_size=8", "network.input_size=32", "progressive=1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A short run on data without splits, with a given seed and validation fraction."""
    folder = tmp_path_factory.mktemp("repeat")
    write_phantoms(folder / "data", PhantomPlan(patients=6, slices=2, size=96, seed=2))
    (folder / "data" / "manifest.csv").unlink()
    recipe = with_settings(named_recipe("default"), SETTINGS)
    train_model(
        Plan(folder / "data" / "Training", folder / "run", recipe, machine=Machine("auto", seed=5), validation=0.3)
    )
    return RunFolder(folder / "run")


def test_the_same_weights_come_from_the_run_folder_alone(run, tmp_path):
    plan = Plan.of_run(run, tmp_path / "again")
    assert (plan.data, plan.machine.seed, plan.validation) == (run.manifest, 5, 0.3)

    train_model(plan)

    first, again = (read_bundle(folder) for folder in (run.path, tmp_path / "again"))
    assert first.weights_digest == again.weights_digest
    assert first.digest == again.digest


def test_the_record_has_the_device_that_was_used_and_the_whole_path_of_the_data(run):
    known = run.read()
    assert known.device in ("cpu", "cuda", "mps")
    assert Path(known.data).is_absolute()


def test_a_run_is_repeated_on_another_device_where_its_own_is_missing(run, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = RunFolder(tmp_path / "before")
    before.write(replace(run.read(), device="cuda"))
    assert Plan.of_run(before, tmp_path / "out").machine.device == "auto"


def test_a_start_that_has_changed_is_refused(run, tmp_path):
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"now")
    before = RunFolder(tmp_path / "before")
    before.write(replace(run.read(), weights=weights.name, weights_path=str(weights), weights_digest="0" * 64))
    with pytest.raises(WeightsError) as refusal:
        Plan.of_run(before, tmp_path / "out")
    assert refusal.value.code == "weights_changed"


def test_a_run_from_the_packaged_model_starts_from_it_again(run, tmp_path):
    start = StartingPoint.resolve("shipped")
    before = RunFolder(tmp_path / "before")
    facts = {"weights": start.name, "weights_path": str(start.path), "weights_digest": start.digest}
    before.write(replace(run.read(), **facts))
    assert Plan.of_run(before, tmp_path / "out").weights.digest == start.digest
