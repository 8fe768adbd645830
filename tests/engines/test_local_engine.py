"""Tests of the local engine: every task has one result, in one process or several, also when processes die."""

from __future__ import annotations

import os
import signal
from functools import partial
from pathlib import Path

import pytest

from gadolin.engines.engine import engine_of
from gadolin.engines.local import LocalEngine
from gadolin.errors import EngineError, RequestError


def doubling():
    return double


def double(task):
    return 2 * task


def refusing():
    def refuse(task):
        raise RequestError(code="usage", rule=f"no {task}")

    return refuse


def dying(folder, times):
    """Make a function that kills its process at the first ``times`` calls with the task 3."""
    return partial(die, folder, times)


def die(folder, times, task):
    if task == 3 and len(list(Path(folder).iterdir())) < times:
        (Path(folder) / str(os.getpid())).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_one_process_runs_the_tasks_in_order_in_this_process():
    assert list(LocalEngine().map(lambda: lambda task: (task, os.getpid()), [1, 2])) == [
        (1, os.getpid()),
        (2, os.getpid()),
    ]


def test_tasks_are_taken_as_they_are_needed():
    taken = []

    def tasks():
        for number in range(1000):
            taken.append(number)
            yield number

    results = LocalEngine().map(doubling, tasks())
    assert next(results) == 0
    assert taken == [0]


@pytest.mark.slow
def test_several_processes_give_each_task_one_result():
    assert sorted(LocalEngine(2).map(doubling, range(20))) == list(range(0, 40, 2))


@pytest.mark.slow
def test_an_error_of_the_function_ends_the_work():
    with pytest.raises(RequestError) as caught:
        list(LocalEngine(2).map(refusing, range(3)))
    assert caught.value.code == "usage"


@pytest.mark.slow
def test_the_task_of_a_process_that_dies_is_repeated(tmp_path):
    assert sorted(LocalEngine(2).map(partial(dying, str(tmp_path), 2), range(8))) == list(range(8))
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_task_that_kills_every_process_is_given_up(tmp_path):
    with pytest.raises(EngineError) as caught:
        list(LocalEngine(2).map(partial(dying, str(tmp_path), 99), [3]))
    assert caught.value.code == "worker_died"
    assert "3 times" in caught.value.got


@pytest.mark.parametrize(
    ("name", "processes", "code"), [("slurm", 1, "engine_unknown"), ("local", 0, "processes_out_of_range")]
)
def test_an_unknown_engine_and_no_process_are_refused(name, processes, code):
    with pytest.raises(RequestError) as caught:
        engine_of(name, processes=processes)
    assert caught.value.code == code
