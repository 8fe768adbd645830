"""Predict many files: one result per slice, and a failure in place of each bad file."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from gadolin.errors import ReadError, RequestError, cannot_open
from gadolin.files.folder_walk import walk
from gadolin.files.paths import NOTHING, Expanded, matching, not_empty
from gadolin.models.predictor import Inspected, Predictor
from gadolin.pool import thread_pool
from gadolin.readers import MAX_BYTES, content_of, naming, open_bytes
from gadolin.readers.contents import Contents
from gadolin.readers.inputs import Paths, paths_from
from gadolin.readers.series import in_order
from gadolin.records import Failure, Omitted, Prediction, Slice

__all__ = ["Content", "expand", "predict_files", "slices_of"]

Content = Callable[[str], bytes]
"""Returns the bytes of a path; raises ReadError."""

_CHUNK = 32  # slices per batch
_OPENED = 2  # files that are open at a time; volumes are large


def expand(paths: Sequence[str], *, series: str | None = None) -> Expanded:
    """Return the files of ``paths``: files, folders (searched recursively) and glob patterns; "-" stays as it is.

    Of folders, housekeeping files, localisers and objects that accompany a series are left out, and DICOM files are in
    anatomical order. A folder must hold one series, or ``series`` is the number of the series to use. A missing file
    stays in the list, and a pattern or folder without files becomes a Failure there. Raises RequestError if no path
    has a file, or no file is of the series.
    """
    found: list[str | Failure] = []
    left_out: list[Failure] = []
    for path in paths:
        expanded = _expanded(path, series)
        found += expanded.files
        left_out += expanded.left_out
    errors = [one.error for one in found if isinstance(one, Failure)]
    refused = [one for one in errors if one.code in (NOTHING, "series_unknown", "several_series")]
    if refused and len(refused) == len(found):
        raise refused[0]
    return Expanded(tuple(found), tuple(left_out))


def _expanded(path: str, series: str | None) -> Expanded:
    if path != "-" and os.path.isdir(path):  # noqa: PTH112  # pathlib refuses some names
        seen = walk(Path(path))
        try:
            ordered = in_order(seen.files, series=series)
        except RequestError as error:
            return Expanded((Failure(path, error), *seen.failures), seen.left_out)
        files = [each if isinstance(each, Failure) else str(each) for each in ordered.files]
        left_out = sorted((*seen.left_out, *ordered.left_out), key=lambda one: one.path)
        return not_empty([*files, *seen.failures], path, left_out)
    if glob.has_magic(path) and not os.path.lexists(path):
        return matching(path)
    return Expanded((path,), ())


def predict_files(
    predictor: Predictor, paths: Paths, *, plane: str = "acquired", content: Content = content_of
) -> Iterator[Prediction | Failure]:
    """Yield a Prediction or a Failure for each slice of each file, in order; "-" reads standard input.

    A Failure among the paths is yielded in its place. A file without a slice to classify yields an ``Omitted``, which
    is a Failure but not an error. ``plane`` is the slice plane of NIfTI volumes: acquired, axial, coronal or sagittal.
    ``content`` returns the bytes of a path, by default those of the file, and is called by several threads.
    """
    with thread_pool() as pool:
        jobs = _jobs(paths_from(paths), plane, pool, content)
        while chunk := list(islice(jobs, _CHUNK)):
            yield from _results(predictor, chunk, pool)


def slices_of(
    paths: Iterable[str | Failure], *, plane: str = "acquired"
) -> Iterator[tuple[str, int | None, Slice | Failure]]:
    """Yield path, frame (None if the file has one slice) and Slice or Failure for each slice of the files."""
    with thread_pool() as pool:
        for job in _jobs(paths_from(paths), plane, pool, content_of):
            yield job.path, job.frame, _try_decode(job)


class _Job(NamedTuple):
    """A slice to predict; ``frame`` is None if the file has one slice."""

    path: str
    frame: int | None
    contents: Contents | Failure


def _jobs(paths: Iterable[str | Failure], plane: str, pool: ThreadPoolExecutor, content: Content) -> Iterator[_Job]:
    waiting = iter(paths)
    while chunk := list(islice(waiting, _OPENED)):
        opened = pool.map(lambda path: _try_open(path, plane, content), chunk)
        for entry, contents in zip(chunk, opened, strict=True):
            path = entry.path if isinstance(entry, Failure) else entry
            if isinstance(contents, Failure) or contents.slices == 1:
                yield _Job(path, None, contents)
            else:
                yield from (_Job(path, frame, contents) for frame in range(contents.slices))


def _results(predictor: Predictor, jobs: list[_Job], pool: ThreadPoolExecutor) -> Iterator[Prediction | Failure]:
    def inspect(job: _Job) -> Inspected | Failure:
        image = _try_decode(job)
        return image if isinstance(image, Failure) else predictor.inspect(image)

    inspected = list(pool.map(inspect, jobs))
    good = [(job, one) for job, one in zip(jobs, inspected, strict=True) if isinstance(one, Inspected)]
    predictions = predictor.predict_inspected([one for _, one in good], [job.path for job, _ in good]) if good else []
    framed = iter([replace(each, frame=job.frame) for each, (job, _) in zip(predictions, good, strict=True)])
    for one in inspected:
        yield next(framed) if isinstance(one, Inspected) else one


def _try_open(path: str | Failure, plane: str, content: Content) -> Contents | Failure:
    if isinstance(path, Failure):
        return path
    try:
        if path == "-" and content is content_of:
            return open_bytes(_standard_input(), plane=plane)
        with naming(path):
            contents = open_bytes(content(path), plane=plane)
    except ReadError as error:
        return Failure(path, error)
    return contents if contents.omit is None else Omitted(path, contents.omit.at(path))


def _try_decode(job: _Job) -> Slice | Failure:
    if isinstance(job.contents, Failure):
        return job.contents
    try:
        return job.contents.decode(job.frame or 0)
    except ReadError as error:
        return Failure(job.path, error.at(job.path), job.frame)


def _standard_input() -> bytes:
    if sys.stdin is None:
        reason = "standard input is closed"
        raise cannot_open(reason)
    return sys.stdin.buffer.read(MAX_BYTES + 1)
