"""Mark the folder of a running fetch, so that an incomplete data set is recognised."""

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
    """Prepare ``out`` for a fetch of ``source`` and return the working folder inside it for incomplete files.

    ``out`` must be new, empty, or hold an interrupted fetch of the same source. Raises DataError otherwise,
    OutputError if it cannot be written.
    """
    work = out / WORK
    begun = _begun(work)
    if begun is None:
        require_fresh(out, "choose another folder; a finished fetch is not repeated")
        write_json(work / _STATE, {"source": source})
    elif begun != source:
        raise DataError(
            code="fetch_of_other_source",
            rule="a fetch must use its own folder",
            got=f"{out} holds an interrupted fetch of {begun!r}",
            remedy="choose another folder",
        )
    return work


def finish(out: Path) -> None:
    """Remove the working folder of a fetch; call this last."""
    work = out / WORK
    try:
        for path in [each for each in work.iterdir() if each.name != _STATE]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.rmtree(work)
    except OSError as error:
        raise OutputError(
            code="unwritable",
            rule=f"cannot write {work}: {error.strerror or error}",
            remedy="remove it manually, the data set is complete",
        ) from error


def refuse_unfinished(folder: Path) -> None:
    """Raise DataError if ``folder`` holds an interrupted fetch."""
    source = _begun(folder / WORK)
    if source is not None:
        raise DataError(
            code="fetch_unfinished",
            rule="a data set must be complete",
            got=f"the fetch of {source} into {folder} was interrupted",
            remedy=f"resume with: gadolin fetch {source} {folder}",
        )


def _begun(work: Path) -> str | None:
    try:
        return str(json.loads((work / _STATE).read_text(encoding="utf-8"))["source"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
