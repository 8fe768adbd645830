"""Whose the run folder is: one training at a time, and what a killed one left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from gadolin.errors import DataError
from gadolin.files.atomic import LOCK, clear_leftovers, is_leftover, require_fresh, unwritable
from gadolin.models.run_folder import RunFolder
from gadolin.recipe import Recipe
from gadolin.training.plan import Plan

__all__ = ["claimed", "require_same"]


@contextmanager
def claimed(plan: Plan) -> Iterator[Plan]:
    """Lock the run folder of ``plan`` for the block, and delete the temporary files of a killed process.

    Yields the plan. It does not resume if the earlier process was killed before it had recorded the run. The operating
    system releases the lock when a process dies, so a lock file that is left behind does no harm. Raises DataError if
    another training has the lock, or if the folder is neither new or empty nor has a run to resume, as the plan says;
    OutputError if it cannot be written.
    """
    run = RunFolder(plan.out)
    _require_usable(plan)
    with _locked(plan.out):
        _require_usable(plan)
        for folder in run.folders:
            clear_leftovers(folder)
        if plan.resume and not run.exists:
            run.manifest.unlink(missing_ok=True)
            plan = replace(plan, resume=False)
        if plan.resume and run.is_finished:
            run.checkpoint.unlink(missing_ok=True)
            raise DataError(
                code="run_finished",
                rule="--resume needs an unfinished run",
                got=f"the one in {plan.out} is finished",
                remedy="choose another folder",
            )
        yield plan


def require_same(run: RunFolder, settings: Mapping[str, Any]) -> None:
    """Raise DataError if the run in ``run`` was begun with other settings than these.

    ``settings`` are fields of its ``Provenance``. Recipe keys that the run does not have, because they were added
    later, count as their defaults. Raises RecipeError where its recipe is of another format.
    """
    before = run.read()
    before = replace(before, recipe=Recipe.from_run(run.path).as_json())
    for key, value in settings.items():
        if getattr(before, key) != value:
            raise DataError(
                code="run_settings_differ",
                rule="--resume needs the settings that the run began with",
                got=f"{key} differs from the run in {run.path}",
                remedy="use the same",
            )


def _require_usable(plan: Plan) -> None:
    if not plan.resume:
        require_fresh(plan.out, "choose another folder, or pass --resume to go on with the run in it")
    elif not _barely_begun(plan.out):
        RunFolder(plan.out).read()


def _barely_begun(run: Path) -> bool:
    """Return whether ``run`` has only what a run writes before it is recorded, and some of it."""
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
