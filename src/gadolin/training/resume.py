"""Locking and resuming a run folder: one training at a time, and cleaning up after a killed one."""

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

    Yields the plan, with ``resume`` off if the earlier process was killed before it recorded the run. The operating
    system releases the lock when a process dies, so a leftover lock file does no harm. Raises DataError if another
    training has the lock, or if the folder is not new or empty (or, to resume, has no run to continue); OutputError if
    it is not writable.
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
    """Raise DataError if the run in ``run`` was started with other settings than these.

    ``settings`` are fields of its ``Provenance``. Recipe keys that were added after the run count as their defaults.
    Raises RecipeError if its recipe is of another format.
    """
    before = run.read()
    before = replace(before, recipe=Recipe.from_run(run.path).as_json())
    for key, value in settings.items():
        if getattr(before, key) != value:
            raise DataError(
                code="run_settings_differ",
                rule="--resume needs the settings that the run was started with",
                got=f"{key} differs from the run in {run.path}",
                remedy="use the same settings",
            )


def _require_usable(plan: Plan) -> None:
    if not plan.resume:
        require_fresh(plan.out, "choose another folder, or pass --resume to continue the run in it")
    elif not _barely_begun(plan.out):
        RunFolder(plan.out).read()


def _barely_begun(run: Path) -> bool:
    """Return whether ``run`` contains only files that a run writes before it is recorded, and at least one."""
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
            rule="only one training at a time may write to a run folder",
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
