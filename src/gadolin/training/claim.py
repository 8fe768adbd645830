"""Whose the run folder is: one training at a time, and what a killed one left behind."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gadolin.atomic import LOCK, clear_leftovers, is_leftover, require_fresh, unwritable
from gadolin.errors import DataError
from gadolin.recipes import Recipe
from gadolin.training.plan import Plan

__all__ = ["begun", "claimed", "require_same"]

_OWN_FOLDERS = (".", "bundle", "evaluation", "evaluation/figures")


@contextmanager
def claimed(plan: Plan) -> Iterator[Plan]:
    """Hold the run folder of ``plan`` for the block, and clear away the temporary files of a killed process.

    Yields the plan, which begins anew where the run to go on with was killed before it had written ``run.json``. The
    operating system lets go of the lock when a process dies, so the lock file of a killed one stands in nobody's way.
    Raises DataError where another training holds the folder, or where it is not as the plan says: new or empty, or
    with an unfinished run; OutputError where it cannot be written.
    """
    _require_usable(plan)
    with _locked(plan.out):
        _require_usable(plan)
        for name in _OWN_FOLDERS:
            clear_leftovers(plan.out / name)
        if plan.resume and not (plan.out / "run.json").exists():
            (plan.out / "manifest.csv").unlink(missing_ok=True)
            plan = replace(plan, resume=False)
        if plan.resume and begun(plan.out).get("finished"):
            (plan.out / "checkpoint.safetensors").unlink(missing_ok=True)
            raise DataError(
                code="run_finished",
                rule="--resume needs an unfinished run",
                got=f"the one in {plan.out} is finished",
                remedy="choose another folder",
            )
        yield plan


def begun(run: Path) -> dict[str, Any]:
    """Return what ``run.json`` holds of a run that was begun; raises DataError where there is none."""
    try:
        return dict(json.loads((run / "run.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise DataError(
            code="run_not_found",
            rule="--resume needs a folder that holds an unfinished run",
            got=f"{run} holds none",
            remedy="leave --resume out",
        ) from error


def require_same(run: Path, facts: Mapping[str, Any]) -> None:
    """Raise DataError where the run in ``run`` was begun with other settings than these ``facts`` of ``run.json``.

    Recipe keys that the run does not know, as they came later, count as their defaults. Raises RecipeError where its
    recipe is of another format.
    """
    before = begun(run)
    if "recipe" in before and "recipe" in facts:
        before["recipe"] = Recipe.from_run(run).as_json()
    for key, value in facts.items():
        if before.get(key) != value:
            raise DataError(
                code="run_settings_differ",
                rule="--resume needs the settings that the run began with",
                got=f"{key} differs from {run}/run.json",
                remedy="use the same",
            )


def _require_usable(plan: Plan) -> None:
    if not plan.resume:
        require_fresh(plan.out, "choose another folder, or pass --resume to go on with the run in it")
    elif not _barely_begun(plan.out):
        begun(plan.out)


def _barely_begun(run: Path) -> bool:
    """Tell whether ``run`` holds only what a run writes before ``run.json``, and something of it."""
    names = list(run.iterdir()) if run.is_dir() else []
    return bool(names) and all(is_leftover(path) or path.name == "manifest.csv" for path in names)


@contextmanager
def _locked(run: Path) -> Iterator[None]:
    lock = FileLock(run / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise DataError(
            code="run_in_use",
            rule="a run folder may be written by one training at a time",
            got=f"{run} is in use by another process",
            remedy="wait for it to end, or choose another folder",
        ) from None
    except OSError as error:
        raise unwritable(run, error) from error
    try:
        yield
    finally:
        with suppress(OSError):
            (run / LOCK).unlink(missing_ok=True)
        lock.release()
