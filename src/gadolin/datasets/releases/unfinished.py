"""The folder of a fetch while it is under way, so that half a data set never passes for a whole one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from gadolin.errors import DataError, OutputError
from gadolin.files.atomic import require_fresh, write_json

__all__ = ["WORK", "begin", "finish", "refuse_unfinished"]

WORK = ".gadolin-fetch"
_STATE = "fetch.json"


def begin(out: Path, source: str) -> Path:
    """Make ``out`` ready for a fetch of ``source`` and return the folder inside it for what is not whole yet.

    ``out`` must be new, empty, or hold a fetch of the same source that broke off. Raises DataError otherwise,
    OutputError where it cannot be written.
    """
    work = out / WORK
    begun = _begun(work)
    if begun is None:
        require_fresh(out, "choose another folder; a fetch that is done is not repeated")
        write_json(work / _STATE, {"source": source})
    elif begun != source:
        raise DataError(
            code="fetch_of_other_source",
            rule="a fetch goes on in its own folder",
            got=f"{out} holds one of {begun!r} that broke off",
            remedy="choose another folder",
        )
    return work


def finish(out: Path) -> None:
    """Remove what a fetch needed while it was under way; call it after everything else."""
    work = out / WORK
    try:
        for path in [each for each in work.iterdir() if each.name != _STATE]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(work)
    except OSError as error:
        raise OutputError(
            code="unwritable",
            rule=f"cannot write {work}: {error.strerror or error}",
            remedy="remove it by hand, the data set is whole",
        ) from error


def refuse_unfinished(folder: Path) -> None:
    """Raise DataError where ``folder`` holds a fetch that broke off."""
    source = _begun(folder / WORK)
    if source is not None:
        raise DataError(
            code="fetch_unfinished",
            rule="a data set must be whole",
            got=f"the fetch of {source} into {folder} broke off",
            remedy=f"go on with: gadolin fetch {source} {folder}",
        )


def _begun(work: Path) -> str | None:
    try:
        return str(json.loads((work / _STATE).read_text(encoding="utf-8"))["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
