"""Tests of several processes: they train one network together and fail together."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from gadolin.errors import DataError, OutputError, ParityError, RequestError
from gadolin.training.machine import Machine
from gadolin.training.processes import (
    detect_lost_rank,
    is_rank_zero,
    is_reported_by_another_rank,
    process_counts,
)

PROGRAM = Path(__file__).with_name("shared_fits.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TOLERANCE = 1e-4


class Two:
    """A stand-in for a Fabric of two processes."""

    world_size = 2


UNDER_TORCHRUN = {
    "WORLD_SIZE": "4",
    "LOCAL_WORLD_SIZE": "2",
    "RANK": "3",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "localhost",
    "MASTER_PORT": "1",
}


def run_python(*arguments):
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=900,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        check=False,
    )


def history_of(run):
    with (run / "history.csv").open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def largest_difference(first, second, columns):
    rows = list(zip(history_of(first), history_of(second), strict=True))
    return max(abs(one[name] - other[name]) for one, other in rows for name in columns)


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    """Fit the recipes of ``shared_fits.py`` in one process and in two."""
    folder = tmp_path_factory.mktemp("fits")
    for name, launcher in (("one", []), ("two", TORCHRUN)):
        done = run_python(*launcher, PROGRAM, folder / name)
        assert done.returncode == 0, done.stderr
    return folder / "one", folder / "two"


def test_processes_leave_one_another_before_they_end(fits):
    """Threads of gloo that outlive the interpreter can abort a finished process."""
    assert [(fits[1] / f"left-{rank}").read_text() for rank in range(2)] == ["True", "True"]


def test_without_chance_two_processes_learn_what_one_learns(fits):
    """Batch norm, gradients, moving average and losses are those of the whole batch."""
    one, two = (folder / "plain" for folder in fits)

    assert len(history_of(one)) == 3
    assert largest_difference(one, two, ("train_loss", "validation_loss")) < TOLERANCE
    assert largest_difference(one, two, ("train_accuracy", "validation_accuracy")) == 0


@pytest.mark.parametrize("name", ["plain", "augmented", "accumulated", "outlines", "timm", "uneven"])
def test_all_processes_end_with_the_same_weights(name, fits):
    first, second = (load_file(fits[1] / name / f"network-{rank}.safetensors") for rank in range(2))

    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["augmented", "accumulated", "outlines"])
def test_the_loss_falls_with_two_processes(name, fits):
    losses = [row["train_loss"] for row in history_of(fits[1] / name)]

    assert losses[-1] < losses[0]


def test_torchrun_trains_a_whole_run(small_phantoms, cache_folder, tmp_path):
    settings = ["epochs=2", "batch_size=8", "network.input_size=32", "progressive=1"]

    done = run_python(
        *(*TORCHRUN, "-m", "gadolin", "train", small_phantoms, "--out", tmp_path / "two", "--cache", cache_folder),
        *(each for setting in settings for each in ("--set", setting)),
        *("--seed", 3, "--validation", 0.34, "--device", "cpu", "--precision", "float32"),
        *("--accumulate", 2, "--json"),
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"report"') == 1
    assert len(history_of(tmp_path / "two")) == 2
    facts = json.loads((tmp_path / "two" / "run.json").read_text())
    assert (facts["finished"], facts["processes"], facts["accumulate"]) == (True, 2, 2)
    assert len((tmp_path / "two" / "readings.jsonl").read_text().splitlines()) == 1
    assert not (tmp_path / "two" / ".lock").exists()


def test_an_error_of_rank_zero_is_printed_once_and_ends_all(tmp_path):
    done = run_python(*TORCHRUN, "-m", "gadolin", "train", tmp_path / "nothing", "--out", tmp_path / "run")

    assert done.returncode != 0
    assert done.stderr.count("gadolin: ") == 1
    assert f"{tmp_path / 'nothing'} does not exist" in done.stderr


def test_an_error_of_another_rank_in_training_is_printed_once_and_ends_all(small_phantoms, cache_folder, tmp_path):
    done = run_python(
        *(*TORCHRUN, Path(__file__).with_name("full_rank.py"), "train", small_phantoms, "--out", tmp_path / "run"),
        *("--cache", cache_folder, "--validation", 0.34, "--device", "cpu", "--precision", "float32"),
        *("--set", "epochs=2", "--set", "batch_size=8", "--set", "network.input_size=32", "--set", "progressive=1"),
    )

    assert done.returncode != 0
    assert done.stderr.count("must fit into memory") == 1
    assert "another process ended" not in done.stderr


@pytest.mark.parametrize("text", ["Connection closed by peer [127.0.0.1]", "NCCL error: unhandled system error"])
def test_a_process_that_loses_another_leaves_the_message_to_it(text):
    with pytest.raises(OutputError) as caught, detect_lost_rank(Two()):
        raise RuntimeError(text)

    assert caught.value.code == "process_ended"
    assert is_reported_by_another_rank(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes cannot be multiplied"),
        ParityError(code="export_differs", rule="gloo"),
        DataError(code="class_vanishes", rule="gloo"),
    ],
)
def test_each_process_reports_its_own_errors(error):
    with pytest.raises(type(error)) as caught, detect_lost_rank(Two()):
        raise error

    assert caught.value is error
    assert not is_reported_by_another_rank(error)


@pytest.mark.parametrize(("processes", "accumulate", "best"), [(3, 1, 9), (2, 3, 6), (1, 16, 16)])
def test_a_batch_that_does_not_divide_is_refused(processes, accumulate, best, short_plan, machine, tmp_path):
    from gadolin.training import train as running

    plan = short_plan(tmp_path, machine=replace(machine, accumulate=accumulate))

    with pytest.raises(RequestError) as caught:
        running._require_divisible(plan, processes)

    assert caught.value.code == "batch_not_divisible"
    assert caught.value.remedy == f"set batch_size={best}"


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")

    assert process_counts() == (1, 1)
    assert is_rank_zero()


def test_the_environment_of_torchrun_is_understood(monkeypatch):
    for name, value in UNDER_TORCHRUN.items():
        monkeypatch.setenv(name, value)

    assert process_counts() == (4, 2)
    assert not is_rank_zero()
    assert not is_rank_zero(local=True)
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert is_rank_zero(local=True)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    import torch

    for name, value in UNDER_TORCHRUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(RequestError) as caught:
        Machine("auto", "float32").fabric()
    assert caught.value.code == "too_few_gpus"
