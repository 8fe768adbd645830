"""Read the headers of a DICOM series, and predict its slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gadolin.dicom_results.series_answers import (
    MOST_SLICES,
    duplicate_instance,
    nothing_to_answer,
    predicted_lesion,
    too_many_slices,
)
from gadolin.dicom_results.slices import SeriesResult, SliceResult
from gadolin.dicom_results.source import Source, read_source, require_one_series
from gadolin.errors import ReadError
from gadolin.explanations.explained_slice import reuse_output
from gadolin.models.predictor import Predictor
from gadolin.progress import Progress
from gadolin.readers import open_file
from gadolin.records import Failure, Slice

__all__ = ["answer_series", "read_series", "result_of"]


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
    answered: set[str] = set()
    for number, source in enumerate(sources):
        if progress is not None:
            progress(number, len(sources), "predicting")
        try:
            if source.instance in answered:
                raise duplicate_instance().at(source.path)
            found += _of_file(predictor, source, overlays=overlays, failures=failures)
            answered.update(one.source.instance for one in found[-1:])
        except ReadError as error:
            failures.append(Failure(source.path, error))
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


def _of_file(predictor: Predictor, source: Source, *, overlays: bool, failures: list[Failure]) -> Iterator[SliceResult]:
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
        yield _of_slice(predictor, source, stored, image, overlays=overlays)


def _of_slice(predictor: Predictor, source: Source, frame: int | None, image: Slice, *, overlays: bool) -> SliceResult:
    looked = predictor.inspect(image)
    output = predictor.run_network(looked.prepared[None])
    (prediction,) = predictor.decide(output, [looked], [source.path])
    found = predicted_lesion(reuse_output(predictor, looked.prepared, output), image, prediction)
    if found is None:
        return SliceResult(source, frame, prediction)
    return SliceResult(source, frame, prediction, found.outline, found.as_png() if overlays else None)
