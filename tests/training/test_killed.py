"""Tests of killed runs: they resume from any moment and give the same result."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DRIVER = Path(__file__).with_name("killed_run.py")
SAME = ("bundle/weights.safetensors", "bundle/model.onnx", "bundle/bundle.json", "manifest.csv")
SAME_READING = ("evaluation/predictions.csv", "evaluation/metrics.json")


@pytest.fixture(scope="module")
def runs(small_phantoms, tmp_path_factory):
    folder = tmp_path_factory.mktemp("killed")
    done = subprocess.run(
        [sys.executable, str(DRIVER), str(small_phantoms), str(folder), "1"],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder / "whole", folder / "killed", json.loads(done.stdout.splitlines()[-1])


def history_of(run):
    with (run / "history.csv").open(newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def test_the_process_was_killed_while_it_trained_exported_and_evaluated(runs):
    _, _, kills = runs

    assert len(kills) >= 6
    assert {"export", "evaluation", "checkpoint"} <= set(kills)


@pytest.mark.parametrize("name", [*SAME, *SAME_READING])
def test_a_killed_run_ends_with_the_same_files_byte_for_byte(name, runs):
    whole, killed, _ = runs

    assert (killed / name).read_bytes() == (whole / name).read_bytes()


def test_a_killed_run_has_the_history_of_the_unbroken_one(runs):
    whole, killed, _ = runs

    assert history_of(killed) == history_of(whole)
    assert len(history_of(whole)) == 12


def test_the_board_shows_each_epoch_once(runs):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    whole, killed, _ = runs
    boards = [EventAccumulator(str(run / "tensorboard")).Reload() for run in (whole, killed)]

    shown = [[(event.step, event.value) for event in board.Scalars("train_loss")] for board in boards]
    assert [step for step, _ in shown[1]] == list(range(1, 13))
    assert shown[0] == shown[1]


def test_nothing_of_the_killed_processes_is_left(runs):
    whole, killed, _ = runs

    def names(run):
        return {path.relative_to(run).as_posix() for path in run.rglob("*") if "tensorboard" not in path.parts}

    assert names(killed) == names(whole)
    assert json.loads((killed / "run.json").read_text())["finished"] is True
