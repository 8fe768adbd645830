"""Many files in, one answer for each slice out: a bad file is told apart and the rest go on."""

from __future__ import annotations

import glob
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gadolin.errors import ReadError, RequestError
from gadolin.inputs import Paths, paths_from
from gadolin.pool import thread_pool
from gadolin.predictor import Predictor
from gadolin.readers import MAX_BYTES, open_bytes, open_file
from gadolin.readers.contents import Contents
from gadolin.readers.series import in_order
from gadolin.records import Failure, Prediction, Slice

__all__ = ["expand", "predict_files", "slices_of"]

_CHUNK = 32  # slices answered for at a time
_OPENED = 2  # files opened at a time; a volume may be large


def expand(paths: Sequence[str], *, series: str | None = None) -> list[str]:
    """Return the files that ``paths`` name: files, folders (searched in depth), glob patterns, and "-" as it is.

    What is hidden inside a folder is left out, and so are localisers; the DICOM files of a folder come in anatomical
    order. A folder must hold one series, or ``series`` gives the number of the one to take of each. Raises
    RequestError for a pattern or folder that names nothing or several series; a plain path that does not exist stays,
    to be reported in its place.
    """
    found: list[str] = []
    for path in paths:
        if path != "-" and Path(path).is_dir():
            inside = sorted(each for each in Path(path).rglob("*") if each.is_file())
            shown = [each for each in inside if not _hidden(each.relative_to(path))]
            found += _some([str(each) for each in in_order(shown, series=series)], path)
        elif glob.has_magic(path) and not Path(path).exists():
            matches = sorted(each for each in glob.glob(path, recursive=True) if Path(each).is_file())  # noqa: PTH207
            found += _some(matches, path)
        else:
            found.append(path)
    return found


def predict_files(predictor: Predictor, paths: Paths, *, plane: str = "acquired") -> Iterator[Prediction | Failure]:
    """Yield a prediction, or what was wrong, for each slice of each file, in order; "-" reads standard input.

    ``plane`` says which way NIfTI volumes are cut: acquired, axial, coronal or sagittal.
    """
    with thread_pool() as pool:
        jobs = _jobs(paths_from(paths), plane, pool)
        while chunk := list(islice(jobs, _CHUNK)):
            yield from _answers(predictor, chunk, pool)


def slices_of(paths: Iterable[str], *, plane: str = "acquired") -> Iterator[tuple[str, int | None, Slice | Failure]]:
    """Yield path, frame (None in a file of one) and slice of each slice of the files, or what is wrong with it."""
    with thread_pool() as pool:
        for job in _jobs(paths, plane, pool):
            yield job.path, job.frame, _try_decode(job)


class _Job(NamedTuple):
    """A slice to answer for: ``frame`` is None in a file of one."""

    path: str
    frame: int | None
    contents: Contents | Failure


def _jobs(paths: Iterable[str], plane: str, pool: ThreadPoolExecutor) -> Iterator[_Job]:
    waiting = iter(paths)
    while chunk := list(islice(waiting, _OPENED)):
        opened = pool.map(lambda path: _try_open(path, plane), chunk)
        for path, contents in zip(chunk, opened, strict=True):
            if isinstance(contents, Failure) or contents.slices == 1:
                yield _Job(path, None, contents)
            else:
                yield from (_Job(path, frame, contents) for frame in range(contents.slices))


def _answers(predictor: Predictor, jobs: list[_Job], pool: ThreadPoolExecutor) -> Iterator[Prediction | Failure]:
    decoded = list(pool.map(_try_decode, jobs))
    good = [(job, one) for job, one in zip(jobs, decoded, strict=True) if isinstance(one, Slice)]
    predictions = predictor.predict([one for _, one in good], [job.path for job, _ in good])
    answers = iter([replace(each, frame=job.frame) for each, (job, _) in zip(predictions, good, strict=True)])
    for one in decoded:
        yield next(answers) if isinstance(one, Slice) else one


def _try_open(path: str, plane: str) -> Contents | Failure:
    try:
        if path == "-":
            return open_bytes(sys.stdin.buffer.read(MAX_BYTES + 1), plane=plane)
        return open_file(Path(path), plane=plane)
    except ReadError as error:
        return Failure(path, error)


def _try_decode(job: _Job) -> Slice | Failure:
    if isinstance(job.contents, Failure):
        return job.contents
    try:
        return job.contents.decode(job.frame or 0)
    except ReadError as error:
        return Failure(job.path, error, job.frame)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _some(found: list[str], path: str) -> list[str]:
    if not found:
        raise RequestError(
            code="path_names_nothing",
            rule="a path must name one file or more",
            got=f"{path} names none",
            remedy="check it",
        )
    return found
