"""Read the headers of a DICOM series, and predict its slices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from gadolin.dicom_results.slices import SeriesResult, SliceResult
from gadolin.dicom_results.source import Source, read_source, require_one_series
from gadolin.errors import GadolinError, ReadError, RequestError
from gadolin.explanations import Explanation, explain
from gadolin.explanations.explained_slice import reuse_output
from gadolin.explanations.trust import is_reliable
from gadolin.models.predictor import Predictor
from gadolin.progress import Progress
from gadolin.readers import open_file
from gadolin.records import Failure, Prediction, Slice

__all__ = ["MOST_SLICES", "answer_series", "read_series"]

MOST_SLICES = 2000
"""Slices of one series that are answered; a report of more is too large for viewers."""


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
        raise _nothing(failures)
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
                raise _duplicate().at(source.path)
            found += _of_file(predictor, source, overlays=overlays, failures=failures)
            answered.update(one.source.instance for one in found[-1:])
        except ReadError as error:
            failures.append(Failure(source.path, error))
        if len(found) > MOST_SLICES:
            raise _too_many()
    if not found:
        raise _nothing(failures)
    return SeriesResult(tuple(sorted(found, key=_place)), predictor.bundle.digest), failures


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
    found = _explained(reuse_output(predictor, looked.prepared, output), image, prediction)
    if found is None or found.outline is None:
        return SliceResult(source, frame, prediction)
    return SliceResult(source, frame, prediction, found.outline, found.as_png() if overlays else None)


def _explained(predictor: Predictor, image: Slice, prediction: Prediction) -> Explanation | None:
    """Return the evidence for the predicted class, or None if there is none or it was not measured to be reliable."""
    if prediction.label is None or not is_reliable(predictor.bundle, "evidence", prediction.label):
        return None
    try:
        return explain(predictor, image, method="evidence", label=prediction.label)
    except RequestError:  # no head in the slice
        return None


def _duplicate() -> ReadError:
    return ReadError(
        code="duplicate_instance",
        rule="each image counts once",
        got="an earlier file holds the same SOP Instance UID",
        remedy="remove one of the two",
    )


def _too_many() -> RequestError:
    return RequestError(
        code="too_many_slices_in_series",
        rule=f"results are made of at most {MOST_SLICES:,} slices of one series",
        got="got more",
        remedy="give a part of the series",
    )


def _nothing(failures: Sequence[Failure]) -> GadolinError:
    if failures:
        return failures[0].error
    return RequestError(
        code="no_slice_to_answer",
        rule="results need one readable slice or more",
        got="got none",
        remedy="give the files of a DICOM series",
    )
