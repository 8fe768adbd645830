"""Tests of the run folder: finding it, its records, and what is refused."""

from __future__ import annotations

import json

import pytest

from gadolin.errors import DataError, OutputError
from gadolin.models.run_folder import RUN_FORMAT, RunFolder


def test_what_is_written_is_read_again(tmp_path, write_run):
    run = RunFolder(write_run(tmp_path, seed=7, finetuned_from=("abc", "def"), chosen={"validation_loss": 0.5}))
    known = run.read()
    assert (known.seed, known.finetuned_from, known.chosen) == (7, ("abc", "def"), {"validation_loss": 0.5})
    run.write(known)
    assert run.read() == known
    assert json.loads((tmp_path / "run.json").read_text())["format"] == RUN_FORMAT


def test_report_and_model_card_have_their_places_in_the_run_folder(tmp_path):
    run = RunFolder(tmp_path)
    assert (run.report, run.card) == (tmp_path / "evaluation" / "report.html", tmp_path / "model-card.md")


def test_a_run_is_found_from_its_bundle_and_its_files(tmp_path, write_run):
    write_run(tmp_path)
    (tmp_path / "bundle").mkdir()
    for place in (tmp_path, tmp_path / "bundle", tmp_path / "bundle" / "weights.safetensors"):
        assert RunFolder.containing(place) == RunFolder(tmp_path)
    assert RunFolder.containing(tmp_path / "a" / "b" / "c") is None


@pytest.mark.parametrize("finished", [True, False])
def test_a_run_is_finished_as_it_says(finished, tmp_path, write_run):
    run = RunFolder(tmp_path)
    assert not run.exists
    assert not run.is_finished
    write_run(tmp_path, finished=finished)
    assert run.exists
    assert run.is_finished is finished


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (None, "run_not_found"),
        ("[1]", "run_damaged"),
        ("{", "run_damaged"),
        ('{"seed": 3}', "run_format_unknown"),
        ('{"format": 99}', "run_format_unknown"),
        ('{"format": 2, "sead": 3}', "run_damaged"),
        ('{"format": 2, "seed": 3}', "run_damaged"),
    ],
)
def test_what_is_no_record_of_a_run_is_refused_with_a_code(content, code, tmp_path):
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError) as refusal:
        RunFolder(tmp_path).read()
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "change",
    [{"versions": ["a"]}, {"counts": {"train": 3}}, {"errors": {"code": "x"}}, {"seed": "1"}, {"seed": True},
     {"finetuned_from": "abc"}, {"chosen": [1]}, {"recipe": {"network": "resnet"}}],
)  # fmt: skip
def test_a_field_of_the_wrong_type_is_damage(change, tmp_path, write_run):
    facts = json.loads((write_run(tmp_path) / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps(facts | change))
    with pytest.raises(DataError) as refusal:
        RunFolder(tmp_path).read()
    assert refusal.value.code == "run_damaged"


def test_a_file_of_a_run_is_no_run_folder(tmp_path, write_run):
    with pytest.raises(DataError) as refusal:
        RunFolder(write_run(tmp_path) / "run.json").read()
    assert refusal.value.code == "run_not_found"


def test_evaluations_are_listed_line_by_line_also_after_one_that_was_cut_off(tmp_path):
    run = RunFolder(tmp_path)
    run.record_reading({"slices": 1})
    with (tmp_path / "readings.jsonl").open("a") as file:
        file.write('{"slices"')
    run.record_reading({"slices": 2})
    assert (tmp_path / "readings.jsonl").read_text().splitlines() == ['{"slices": 1}', '{"slices"', '{"slices": 2}']


def test_a_reading_that_cannot_be_recorded_is_an_error(tmp_path):
    with pytest.raises(OutputError) as refusal:
        RunFolder(tmp_path / "gone").record_reading({})
    assert refusal.value.code == "unwritable"


def test_a_run_without_a_history_has_none(tmp_path):
    assert RunFolder(tmp_path).history() == []
    (tmp_path / "history.csv").write_text("epoch,train_loss\n1.0,0.5\n")
    assert RunFolder(tmp_path).history() == [{"epoch": 1.0, "train_loss": 0.5}]
