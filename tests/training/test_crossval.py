"""Tests of cross-validation: every slice is predicted once, by a model that was not trained on it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest

from gadolin.datasets.manifest import file_digest, read_manifest, write_manifest
from gadolin.errors import DataError, RequestError, WeightsError
from gadolin.metrics.table import read_table
from gadolin.models.starting_point import StartingPoint
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.splits import assign_folds
from gadolin.training import crossval
from gadolin.training.crossval import cross_validate, unfinished
from gadolin.training.train import with_evidence

FOLDS = 2


@pytest.fixture(scope="module")
def folded(tmp_path_factory):
    """Write phantoms of eight patients per class and a manifest with two folds."""
    folder = tmp_path_factory.mktemp("folded")
    write_phantoms(folder, PhantomPlan(patients=8, slices=1, size=64, seed=5))
    plain = [replace(one, split="", outline="") for one in read_manifest(folder / "manifest.csv")]
    write_manifest(folder / "folds.csv", assign_folds(plain, FOLDS, seed=0))
    return folder / "folds.csv"


@pytest.fixture
def plan(folded, short_plan, tmp_path):
    return short_plan(tmp_path / "out", data=folded, cache=tmp_path / "cache")


@pytest.fixture
def tiny(tiny_compact):
    """Train the tiny body: these tests are about folds."""


def test_every_slice_is_answered_for_once_by_the_model_of_its_fold(tiny, plan, folded):
    evaluation = cross_validate(plan)
    table = read_table(plan.out / "evaluation" / "predictions.csv")
    records = read_manifest(folded)
    assert sorted(table.digests) == sorted(one.key for one in records)
    assert set(table.parts) == {"new_patient"}
    for number in range(FOLDS):
        own = read_table(plan.out / f"fold-{number}" / "evaluation" / "predictions.csv")
        assert set(own.digests) == {one.key for one in records if one.fold == number}
        learned = read_manifest(plan.out / f"fold-{number}" / "manifest.csv")
        assert {one.fold for one in learned if one.split in ("train", "validation")} == {1 - number}
    metrics = json.loads((plan.out / "evaluation" / "metrics.json").read_text())
    assert metrics["subsets"]["all"]["n"] == len(records)
    assert "2 folds pooled" in evaluation.context.title
    assert "2 folds pooled" in (plan.out / "evaluation" / "report.html").read_text()


def test_an_interrupted_cross_validation_goes_on_where_it_stopped(tiny, plan, monkeypatch):
    trained = []

    def stopping(own, *, progress):
        trained.append(own.out.name)
        if len(trained) == 2:
            raise KeyboardInterrupt
        return whole(own, progress=progress)

    whole = crossval.train_model
    monkeypatch.setattr(crossval, "train_model", stopping)
    with pytest.raises(KeyboardInterrupt):
        cross_validate(plan)
    first = (plan.out / "fold-0" / "run.json").read_bytes()
    cross_validate(replace(plan, resume=True))
    assert trained == ["fold-0", "fold-1", "fold-1"]
    assert (plan.out / "fold-0" / "run.json").read_bytes() == first
    assert len(read_table(plan.out / "evaluation" / "predictions.csv")) == 32


def test_folds_can_be_trained_one_by_one_and_are_pooled_once_none_is_left(tiny, plan):
    assert cross_validate(plan, only=[1]) is None
    assert not (plan.out / "evaluation").exists()
    assert unfinished(plan.out, range(FOLDS)) == [0]

    evaluation = cross_validate(replace(plan, resume=True), only=[0])

    assert evaluation is not None
    assert len(evaluation.table) == 32


def test_each_fold_goes_on_from_the_same_fold_of_another_cross_validation(tiny, plan, tmp_path):
    cross_validate(plan)
    later = replace(plan, out=tmp_path / "later", weights=StartingPoint.resolve(str(plan.out)))

    cross_validate(later)

    for number in range(FOLDS):
        first, then = (json.loads((each / f"fold-{number}" / "run.json").read_text()) for each in (plan.out, later.out))
        assert then["weights_digest"] == file_digest(plan.out / f"fold-{number}" / "bundle" / "weights.safetensors")
        assert then["weights_head"] == "kept"
        assert then["manifest_digest"] == first["manifest_digest"]
    assert cross_validate(replace(later, resume=True)) is not None


def test_folds_of_another_seed_are_refused_as_a_start(tiny, plan, tmp_path):
    """Their validation splits differ, so the start was trained on slices that are held out now."""
    cross_validate(plan, only=[0])
    other = replace(plan.machine, seed=7)

    with pytest.raises(DataError) as caught:
        cross_validate(
            replace(plan, out=tmp_path / "later", weights=StartingPoint.resolve(str(plan.out)), machine=other), only=[0]
        )
    assert caught.value.code == "held_out_was_learned"


def test_a_cross_validation_that_lacks_a_fold_is_refused_as_a_start_before_anything_is_written(tiny, plan, tmp_path):
    cross_validate(plan, only=[0])
    later = replace(plan, out=tmp_path / "later", weights=StartingPoint.resolve(str(plan.out)))

    with pytest.raises(WeightsError) as caught:
        cross_validate(later)
    assert caught.value.code == "crossval_unfinished"
    assert not later.out.exists()
    assert cross_validate(later, only=[0]) is None


def test_weights_that_are_not_there_are_refused_before_anything_is_written(plan):
    with pytest.raises(WeightsError) as caught:
        cross_validate(replace(plan, weights=StartingPoint.resolve("nowhere")))
    assert caught.value.code == "weights_not_found"
    assert not plan.out.exists()


def test_a_fold_that_is_not_there_cannot_be_trained_for(plan):
    with pytest.raises(RequestError) as caught:
        cross_validate(plan, only=[0, 7])
    assert caught.value.code == "fold_unknown"
    assert not plan.out.exists()


def test_folds_of_a_manifest_are_matched_to_the_data_by_content(plan, folded, tmp_path):
    elsewhere = tmp_path / "data.csv"
    write_manifest(elsewhere, [replace(one, fold=None, patient="") for one in read_manifest(folded)])
    records = crossval.folded_records(replace(plan, data=elsewhere), folded)
    known = {one.key: one for one in read_manifest(folded)}
    assert all((one.fold, one.patient) == (known[one.key].fold, known[one.key].patient) for one in records)


def test_slices_without_a_row_are_left_out_and_said(plan, folded, tmp_path, caplog):
    fewer = tmp_path / "fewer.csv"
    write_manifest(fewer, read_manifest(folded)[:-3])
    assert len(crossval.folded_records(plan, fewer)) == 29
    assert "3 slices have no row" in caplog.text


def test_a_copy_that_the_manifest_dropped_is_not_taken_again(plan, folded, tmp_path):
    records = read_manifest(folded)
    twice = [replace(one, path=tmp_path / f"{number}.png") for number, one in enumerate(records[:4])]
    for one, twin in zip(records, twice, strict=False):
        shutil.copy(one.path, twin.path)
    data = tmp_path / "data.csv"
    write_manifest(data, [*twice, *records])
    kept = crossval.folded_records(replace(plan, data=data), folded)
    assert [one.path for one in kept] == [one.path for one in records]


def test_a_picture_that_was_moved_is_found_by_its_content_as_often_as_it_has_rows(plan, folded, tmp_path):
    records = read_manifest(folded)
    moved = [replace(records[0], path=tmp_path / f"{name}.png") for name in "ab"]
    for one in moved:
        shutil.copy(records[0].path, one.path)
    data = tmp_path / "data.csv"
    write_manifest(data, [*moved, *records[1:]])
    kept = crossval.folded_records(replace(plan, data=data), folded)
    assert [one.path.name for one in kept[:2]] == ["a.png", records[1].path.name]


@pytest.mark.parametrize(
    ("changed", "key"), [({"epochs": 77}, "recipe"), ({"seed": 9}, "seed"), ({"weights": "imagenet"}, "weights")]
)
def test_finished_folds_of_other_settings_are_not_pooled(changed, key, plan, folded, write_run):
    write_manifest(plan.out / "folds.csv", read_manifest(folded))
    recipe = with_evidence(plan.recipe, outlined=False)
    for number in range(FOLDS):
        write_run(plan.out / f"fold-{number}", recipe=recipe.as_json(), seed=plan.machine.seed)
    crossval._require_settings(plan, read_manifest(folded), 0)
    other = replace(plan, resume=True, weights=StartingPoint.resolve(changed.get("weights", "none")))
    other = replace(other, machine=replace(plan.machine, seed=changed.get("seed", plan.machine.seed)))
    other = replace(other, recipe=replace(plan.recipe, epochs=changed.get("epochs", plan.recipe.epochs)))
    with pytest.raises(DataError) as caught:
        cross_validate(other)
    assert caught.value.code == "run_settings_differ"
    assert f"{key} " in caught.value.got


def test_a_row_without_its_slice_is_refused(plan, folded, tmp_path):
    records = read_manifest(folded)
    fewer = tmp_path / "fewer.csv"
    write_manifest(fewer, records[1:])
    with pytest.raises(DataError) as caught:
        crossval.folded_records(replace(plan, data=fewer), folded)
    assert caught.value.code == "folds_of_other_data"


def test_other_folds_than_were_begun_with_are_refused(plan, folded, tmp_path):
    records = read_manifest(folded)
    write_manifest(plan.out / "folds.csv", [replace(one, fold=1 - one.fold) for one in records])
    with pytest.raises(DataError) as caught:
        cross_validate(replace(plan, resume=True))
    assert caught.value.code == "run_settings_differ"
    assert "data and folds" in caught.value.rule
    with pytest.raises(DataError) as caught:
        cross_validate(plan)
    assert caught.value.code == "output_not_empty"


def test_data_without_folds_is_refused_before_anything_is_written(short_plan, tmp_path):
    plan = short_plan(tmp_path / "out")
    with pytest.raises(DataError) as caught:
        cross_validate(plan)
    assert caught.value.code == "folds_incomplete"
    assert not plan.out.exists()
