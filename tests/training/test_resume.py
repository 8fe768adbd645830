"""Tests of resuming: one training at a time per run folder, and a killed one leaves no lock."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from gadolin.errors import DataError, OutputError, RecipeError
from gadolin.models.run_folder import RunFolder
from gadolin.training.plan import Plan
from gadolin.training.resume import claimed, require_same

HOLD = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire(timeout=0)
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def plan_of(tmp_path, tiny_recipe):
    def make(out=tmp_path / "run", **fields):
        return Plan(tmp_path / "data", out, tiny_recipe(), **fields)

    return make


@pytest.fixture
def holder(tmp_path):
    """Lock the run folder in another process."""
    (tmp_path / "run").mkdir()
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run" / ".lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def claim(plan):
    with claimed(plan) as settled:
        return settled


@pytest.mark.parametrize("resume", [False, True])
def test_a_folder_that_another_process_holds_is_refused_at_once_and_free_once_that_is_killed(resume, holder, plan_of):
    plan = plan_of(resume=resume)
    told = f"only one training at a time may write to a run folder, {plan.out} is in use by another process; wait"

    with pytest.raises(DataError, match=re.escape(told)):
        claim(plan)
    holder.kill()
    holder.wait()

    assert (plan.out / ".lock").exists()
    assert claim(plan).resume is False


def test_two_trainings_of_one_process_keep_apart_too(plan_of):
    with claimed(plan_of()), pytest.raises(DataError) as caught:
        claim(plan_of())
    assert caught.value.code == "run_in_use"


def test_a_stale_lock_is_no_obstacle_and_none_is_left(plan_of):
    plan = plan_of()
    plan.out.mkdir()
    (plan.out / ".lock").touch()

    claim(plan)

    assert list(plan.out.iterdir()) == []


@pytest.mark.parametrize("left", [[".lock"], [".manifest.csv.abcd1234.csv"], [".lock", "manifest.csv"]], ids=str)
def test_a_run_that_was_killed_before_it_was_written_down_begins_anew(left, plan_of):
    plan = plan_of(resume=True)
    plan.out.mkdir()
    for name in left:
        (plan.out / name).touch()

    with claimed(plan) as settled:
        assert settled.resume is False
        assert [path.name for path in plan.out.iterdir()] == [".lock"]


def test_a_folder_with_something_else_is_no_killed_run(plan_of):
    plan = plan_of(resume=True)
    plan.out.mkdir()
    (plan.out / "manifest.csv").touch()
    (plan.out / "thesis.txt").touch()

    with pytest.raises(DataError) as caught:
        claim(plan)
    assert caught.value.code == "run_not_found"

    assert sorted(path.name for path in plan.out.iterdir()) == ["manifest.csv", "thesis.txt"]


def test_the_temporary_files_of_a_killed_run_are_cleared_away(plan_of, write_run):
    plan = plan_of(resume=True)
    (plan.out / "bundle").mkdir(parents=True)
    write_run(plan.out, finished=False)
    for name in (".checkpoint.safetensors.abcd_123.safetensors", "bundle/.model.onnx.00000000.onnx"):
        (plan.out / name).touch()

    assert claim(plan).resume is True

    assert sorted(path.name for path in plan.out.rglob("*")) == ["bundle", "run.json"]


def test_a_lock_that_cannot_be_written_is_an_error_with_what_to_do(plan_of, monkeypatch):
    def full(self, timeout):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("filelock.FileLock.acquire", full)

    with pytest.raises(OutputError) as caught:
        claim(plan_of())
    assert caught.value.code == "unwritable"
    assert "No space left on device" in str(caught.value)


def test_a_recipe_key_that_a_run_does_not_have_counts_as_its_default(tmp_path, tiny_recipe, write_run):
    recipe = tiny_recipe().as_json()
    old = recipe | {"network": {key: value for key, value in recipe["network"].items() if key != "no_lesion_class"}}
    run = RunFolder(write_run(tmp_path, recipe=old))

    require_same(run, {"recipe": recipe})
    changed = recipe | {"network": recipe["network"] | {"no_lesion_class": "residual"}}
    with pytest.raises(DataError) as caught:
        require_same(run, {"recipe": changed})
    assert caught.value.code == "run_settings_differ"
    assert "recipe " in caught.value.got


def test_a_run_of_an_older_recipe_format_is_refused_with_a_code(tmp_path, tiny_recipe, write_run):
    recipe = tiny_recipe().as_json()
    run = RunFolder(write_run(tmp_path, recipe={key: value for key, value in recipe.items() if key != "format"}))

    with pytest.raises(RecipeError) as refused:
        require_same(run, {"recipe": recipe})

    assert (refused.value.code, refused.value.path) == ("recipe_format_older", str(tmp_path))
