"""Promises of several processes: they learn what one process would learn, and fail together."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

from gadolin.errors import DataError, OutputError, ParityError, RequestError
from gadolin.training.machine import Machine
from gadolin.training.processes import is_first, joined, processes, share_of, told_elsewhere
from gadolin.training.run import train_model

PROGRAM = Path(__file__).with_name("shared_fits.py")
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
TOLERANCE = 1e-4


class Two:
    """What tells of two processes."""

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
    """Fit the recipes of the program in one process and in two."""
    folder = tmp_path_factory.mktemp("fits")
    for name, launcher in (("one", []), ("two", TORCHRUN)):
        done = run_python(*launcher, PROGRAM, folder / name)
        assert done.returncode == 0, done.stderr
    return folder / "one", folder / "two"


def test_processes_leave_one_another_before_they_end(fits):
    """Threads of gloo that outlive the interpreter now and then abort a process whose work is done."""
    assert [(fits[1] / f"left-{rank}").read_text() for rank in range(2)] == ["True", "True"]


@pytest.mark.parametrize("name", ["augmented", "mixed", "outlines", "uneven"])
def test_two_processes_learn_what_one_learns(name, fits):
    one, two = (folder / name for folder in fits)

    assert len(history_of(one)) == 3
    assert largest_difference(one, two, ("train_loss", "validation_loss")) < TOLERANCE
    assert largest_difference(one, two, ("train_accuracy", "validation_accuracy")) == 0
    weights = [load_file(run / "network.safetensors") for run in (one, two)]
    assert weights[0].keys() == weights[1].keys()


def test_torchrun_trains_a_run_as_one_process_does(small_phantoms, short_plan, cache_folder, tmp_path):
    plan = short_plan(tmp_path / "one")
    train_model(plan)
    settings = ["epochs=2", "batch_size=8", "network.input_size=32", "progressive=1"]

    done = run_python(
        *(*TORCHRUN, "-m", "gadolin", "train", small_phantoms, "--out", tmp_path / "two", "--cache", cache_folder),
        *(each for setting in settings for each in ("--set", setting)),
        *("--seed", 3, "--validation", 0.34, "--device", "cpu", "--precision", "float32", "--json"),
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.count('"report"') == 1
    assert largest_difference(tmp_path / "one", tmp_path / "two", ("train_loss", "validation_loss")) < TOLERANCE
    assert len((tmp_path / "two" / "readings.jsonl").read_text().splitlines()) == 1
    assert not (tmp_path / "two" / ".lock").exists()


def test_an_error_of_the_first_process_is_told_once_and_ends_all(tmp_path):
    done = run_python(*TORCHRUN, "-m", "gadolin", "train", tmp_path / "nothing", "--out", tmp_path / "run")

    assert done.returncode != 0
    assert done.stderr.count("gadolin: ") == 1
    assert f"{tmp_path / 'nothing'} does not exist" in done.stderr


@pytest.mark.parametrize("text", ["Connection closed by peer [127.0.0.1]", "NCCL error: unhandled system error"])
def test_a_process_that_loses_another_leaves_the_telling_to_it(text):
    with pytest.raises(OutputError, match="one of the others ended; see what it told") as caught, joined(Two()):
        raise RuntimeError(text)

    assert told_elsewhere(caught.value)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("shapes cannot be multiplied"),
        ParityError(code="export_differs", rule="gloo"),
        DataError(code="class_vanishes", rule="gloo"),
    ],
)
def test_its_own_errors_are_told_by_each_process(error):
    with pytest.raises(type(error)) as caught, joined(Two()):
        raise error

    assert caught.value is error
    assert not told_elsewhere(error)


def test_a_batch_that_does_not_divide_by_the_processes_is_refused(short_plan, monkeypatch, tmp_path):
    from gadolin.training import run as running

    with pytest.raises(RequestError, match=r"got 8 for 3; set batch_size=9"):
        running._require_divisible(short_plan(tmp_path).recipe, 3)


def test_without_torchrun_there_is_one_process(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")

    assert processes() == (1, 1)
    assert is_first()


def test_the_environment_of_torchrun_is_understood(monkeypatch):
    for name, value in UNDER_TORCHRUN.items():
        monkeypatch.setenv(name, value)

    assert processes() == (4, 2)
    assert not is_first()
    assert not is_first(here=True)
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert is_first(here=True)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    import torch

    for name, value in UNDER_TORCHRUN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)

    with pytest.raises(RequestError, match="each process needs a GPU of its own, got 2 processes for 1"):
        Machine("auto", "float32").fabric()


@pytest.mark.parametrize(("count", "pieces"), [(8, 2), (23, 2), (2, 3), (0, 2)])
def test_shares_are_all_of_a_batch_and_overlap_nowhere(count, pieces):
    shares = [share_of(count, number, pieces) for number in range(pieces)]

    assert [row for first, last in shares for row in range(first, last)] == list(range(count))
