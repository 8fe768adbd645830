"""Tests of starting points of training."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gadolin.datasets.manifest import file_digest
from gadolin.errors import WeightsError
from gadolin.models.bundle import SHIPPED, read_bundle, write_bundle
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint


@pytest.fixture
def run(tmp_path, make_bundle, write_run):
    """A run folder with a bundle that has weights."""
    folder = tmp_path / "run"
    bundle = make_bundle(folder / "bundle")
    bundle.weights.write_bytes(b"weights")
    write_bundle(replace(bundle, weights_digest=file_digest(bundle.weights), facts={"finetuned_from": ["abc"]}))
    return write_run(folder)


@pytest.mark.parametrize("text", ["none", "imagenet"])
def test_random_and_imagenet_weights_have_no_file(text):
    start = StartingPoint.resolve(text)
    assert (start.kind, start.name, start.path, start.file, start.digest) == (text, text, None, None, None)
    assert (start.history, start.run, start.bundle) == ((), None, None)


def test_the_packaged_model_is_a_bundle():
    start = StartingPoint.resolve("shipped")
    assert (start.kind, start.name, start.path) == ("bundle", "shipped", SHIPPED)
    assert start.digest == read_bundle(SHIPPED).weights_digest
    assert start.run is None


@pytest.mark.parametrize("below", ["", "bundle"])
def test_a_run_and_its_bundle_are_one_start(below, run):
    start = StartingPoint.resolve(str(run / below))
    assert (start.kind, start.file) == ("bundle", run / "bundle" / "weights.safetensors")
    assert start.run == RunFolder(run)
    assert start.history == (start.digest, "abc")
    assert start.of_fold(3) is start


def test_a_file_in_a_bundle_has_the_history_of_the_bundle_while_it_is_the_same(run):
    path = run / "bundle" / "weights.safetensors"
    assert StartingPoint.resolve(str(path)).history == (file_digest(path), "abc")
    path.write_bytes(b"others")
    start = StartingPoint.resolve(str(path))
    assert (start.kind, start.history) == ("file", (file_digest(path),))


def test_a_bundle_whose_weights_have_changed_is_refused(run):
    (run / "bundle" / "weights.safetensors").write_bytes(b"others")
    with pytest.raises(WeightsError) as refusal:
        _ = StartingPoint.resolve(str(run)).digest
    assert refusal.value.code == "bundle_changed"


def test_a_cross_validation_is_a_start_for_each_of_its_folds(tmp_path):
    (tmp_path / "folds.csv").touch()
    start = StartingPoint.resolve(str(tmp_path))
    fold = start.of_fold(2)
    assert (start.kind, fold.kind, fold.path, fold.name) == ("crossval", "bundle", tmp_path / "fold-2", "fold-2")
    with pytest.raises(WeightsError) as refusal:
        _ = start.file
    assert refusal.value.code == "weights_of_many_runs"


def test_what_is_not_there_is_refused(tmp_path):
    with pytest.raises(WeightsError) as refusal:
        StartingPoint.resolve(str(tmp_path / "gone"))
    assert refusal.value.code == "weights_not_found"
