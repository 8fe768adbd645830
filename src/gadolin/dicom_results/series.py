"""Read the headers of a DICOM series, and predict its slices."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Final, NamedTuple

import numpy as np

from gadolin.dicom_results.series_answers import (
    MOST_SLICES,
    duplicate_instance,
    nothing_to_answer,
    outlined_classes,
    predicted_lesion,
    too_many_slices,
)
from gadolin.dicom_results.slices import SeriesResult, SliceResult
from gadolin.dicom_results.source import Source, read_source, require_one_series
from gadolin.errors import ReadError
from gadolin.explanations.explain import predicted_outline
from gadolin.explanations.explained_slice import reuse_output
from gadolin.models.predictor import Inspected, Predictor
from gadolin.models.runtime import NetworkOutput
from gadolin.pool import thread_pool
from gadolin.progress import Progress
from gadolin.readers import open_file
from gadolin.records import Failure, Prediction, Slice

__all__ = ["answer_series", "read_series", "result_of"]

_CHUNK: Final = 8  # slices that are prepared at a time


class _Decoded(NamedTuple):
    """A decoded slice of an image; ``frame`` as in ``SliceResult``."""

    source: Source
    frame: int | None
    image: Slice


def read_series(files: Iterable[str | Failure]) -> tuple[list[Source], list[Failure]]:
    """Read the headers of the files of a DICOM series; return them, and the files that cannot be read.

    Raises the first error if none can be read, RequestError if they are of several series, studies or patients.
    """
    sources: list[Source] = []
    failures: list[Failure] = []
    for path in files:
        if isinstance(path, Failure):
            failures.append(path)
            continue
        try:
            sources.append(read_source(path))
        except ReadError as error:
            failures.append(Failure(path, error))
    if not sources:
        raise nothing_to_answer(failures)
    require_one_series(sources)
    return sources, failures


def answer_series(
    predictor: Predictor,
    sources: Sequence[Source],
    *,
    overlays: bool = False,
    progress: Progress | None = None,
) -> tuple[SeriesResult, list[Failure]]:
    """Predict the slices of a DICOM series; return the result, and the files and slices that could not be answered.

    ``overlays`` also draws the evidence over each slice with a predicted lesion. Raises the first error if no slice can
    be answered, RequestError if there are more than ``MOST_SLICES``.
    """
    found: list[SliceResult] = []
    failures: list[Failure] = []
    decoded = _decoded(sources, failures, progress)
    outlined = outlined_classes(predictor.bundle)
    with thread_pool() as pool:
        while chunk := list(islice(decoded, _CHUNK)):
            for one in _answered(predictor, chunk, pool):
                found.append(_drawn(predictor, one) if overlays else _outlined(predictor, one, outlined))
            if len(found) > MOST_SLICES:
                raise too_many_slices()
    if not found:
        raise nothing_to_answer(failures)
    return result_of(found, predictor.bundle.digest), failures


def result_of(slices: Iterable[SliceResult], model: str) -> SeriesResult:
    """Return the result of a series by the model with the digest ``model``; its slices are in anatomical order."""
    return SeriesResult(tuple(sorted(slices, key=_place)), model)


def _place(one: SliceResult) -> tuple[float, int, str, int]:
    """Return the order of a slice in the objects, whatever the order of the files."""
    series = one.prediction.series
    position = 0.0 if series is None or series.position_mm is None else series.position_mm
    return position, series.instance if series else 0, one.source.instance, one.frame or 0


def _decoded(sources: Sequence[Source], failures: list[Failure], progress: Progress | None) -> Iterator[_Decoded]:
    """Yield the slices of the images; what cannot be read is appended to ``failures``."""
    readable: set[str] = set()
    for number, source in enumerate(sources):
        if progress is not None:
            progress(number, len(sources), "predicting")
        try:
            if source.instance in readable:
                raise duplicate_instance().at(source.path)
            for one in _of_file(source, failures):
                readable.add(source.instance)
                yield one
        except ReadError as error:
            failures.append(Failure(source.path, error))


def _of_file(source: Source, failures: list[Failure]) -> Iterator[_Decoded]:
    contents = open_file(source.path)
    if contents.omit is not None:
        raise contents.omit.at(source.path)
    for number in range(contents.slices):
        stored = contents.stored_frame(number) + 1 if source.is_multiframe else None
        try:
            image = contents.decode(number)
        except ReadError as error:
            failures.append(Failure(source.path, error.at(source.path), number if contents.slices > 1 else None))
            continue
        yield _Decoded(source, stored, image)


class _Answered(NamedTuple):
    """The prediction for a slice, and what it was made of."""

    decoded: _Decoded
    inspected: Inspected
    output: NetworkOutput
    prediction: Prediction


def _answered(predictor: Predictor, chunk: Sequence[_Decoded], pool: ThreadPoolExecutor) -> list[_Answered]:
    inspected = list(pool.map(predictor.inspect, [one.image for one in chunk]))
    output = predictor.run_network(np.stack([one.prepared for one in inspected]))
    predictions = predictor.decide(output, inspected, [one.source.path for one in chunk])
    return list(map(_Answered, chunk, inspected, output.rows(), predictions))


def _outlined(predictor: Predictor, one: _Answered, outlined: Container[str]) -> SliceResult:
    """Return the result with the outline of ``predicted_lesion``, without what a picture of it needs."""
    (source, frame, image), inspected, output, prediction = one
    label, head, outline = prediction.label, inspected.frame, None
    if label is not None and label in outlined and head is not None:
        outline = predicted_outline(predictor, output.evidence[0], head, label, image.pixels.shape)
    return SliceResult(source, frame, prediction, outline)


def _drawn(predictor: Predictor, one: _Answered) -> SliceResult:
    """Return the result with outline and picture."""
    (source, frame, image), inspected, output, prediction = one
    lesion = predicted_lesion(reuse_output(predictor, inspected.prepared, output), image, prediction)
    if lesion is None:
        return SliceResult(source, frame, prediction)
    return SliceResult(source, frame, prediction, lesion.outline, lesion.as_png())
