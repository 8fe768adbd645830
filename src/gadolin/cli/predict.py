"""``gadolin predict``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_failures, split_failures
from gadolin.cli.options import Model
from gadolin.cli.output import print_csv, print_json, progress_bar, say, table

if TYPE_CHECKING:
    from gadolin.records import Failure, Prediction


def predict(
    paths: Annotated[
        list[str],
        typer.Argument(
            help="Pictures, DICOM files or folders, NIfTI volumes, .mat files, glob patterns, or - for standard input."
        ),
    ],
    model: Model = None,
    runtime: Annotated[str, typer.Option(help="onnxruntime, openvino, or that of a plug-in.")] = "onnxruntime",
    threads: Annotated[int, typer.Option(help="Threads to compute with; 0 for one per core.")] = 0,
    series: Annotated[str | None, typer.Option(help="The number of the DICOM series to take of each folder.")] = None,
    plane: Annotated[
        str, typer.Option(help="Cut NIfTI volumes as 'acquired', 'axial', 'coronal' or 'sagittal'.")
    ] = "acquired",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, one row a slice.")] = False,
) -> None:
    """Name what slices show, with the probability of each class.

    What cannot be read is reported, and the other slices are still predicted; the exit code is then 1. Files that are
    left out of folders are listed with the reason. For research only; not a medical device.
    """
    from gadolin.errors import RequestError
    from gadolin.files.folder_walk import failures_json
    from gadolin.models.predictor import Predictor
    from gadolin.records import JSON_FORMAT, NOTICE, Failure, Prediction
    from gadolin.workflows.predict_files import expand, predict_files

    if as_json and as_csv:
        raise RequestError(
            code="options_exclude_each_other",
            rule="the answer must be JSON or CSV",
            got="got --json and --csv",
            remedy="give one",
        )
    named = expand(paths, series=series)
    predictor = Predictor.load(model, runtime=runtime, threads=threads)
    answers = _with_progress(predict_files(predictor, named.files, plane=plane), len(named.files))
    predictions = [each for each in answers if isinstance(each, Prediction)]
    failures, left_out = split_failures(
        [each for each in answers if isinstance(each, Failure)], named, answered=predictions
    )
    if as_json:
        told = {
            "predictions": [each.as_json() for each in predictions],
            **failures_json(failures, left_out),
        }
        print_json({"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest, **told})
    elif as_csv:
        _print_csv(predictions, predictor.bundle.classes)
    elif predictions:
        print(_words(predictions, predictor.bundle.classes))
    if predictions and not as_json:
        say(NOTICE)
    report_failures(failures, left_out, as_json=as_json)


def _with_progress(answers: Iterator[Prediction | Failure], files: int) -> list[Prediction | Failure]:
    """Return all answers; the bar counts the files that they are from."""
    kept: list[Prediction | Failure] = []
    answered: set[str] = set()
    with progress_bar("predicting") as advance:
        for answer in answers:
            kept.append(answer)
            answered.add(answer.path)
            advance(len(answered), files, "predicting")
    return kept


def _words(predictions: list[Prediction], classes: tuple[str, ...]) -> str:
    from gadolin.records import slice_name

    rows = [
        [
            slice_name(each.path, each.frame),
            each.label or "abstains",
            *(f"{each.probabilities[name]:.3f}" for name in classes),
            each.remark,
        ]
        for each in predictions
    ]
    return table(["path", "verdict", *classes, ""], rows)


def _print_csv(predictions: list[Prediction], classes: tuple[str, ...]) -> None:
    head = ["path", "frame", "label", "abstained", "reason_code", "reason"]
    head += ["sequence", "header_sequence", "p_tumour", "validated", "model", *(f"p_{name}" for name in classes)]
    print_csv(head, [_row(each, classes) for each in predictions])


def _row(each: Prediction, classes: tuple[str, ...]) -> list[object]:
    frame = "" if each.frame is None else each.frame
    likely = [each.probabilities[name] for name in classes]
    why = [each.reason_code or "", each.reason or ""]
    known = (each.sequence, each.header_sequence, each.p_tumour, each.validated)
    told = ["" if one is None else str(one).lower() if isinstance(one, bool) else one for one in known]
    return [each.path, frame, each.label or "", str(each.abstained).lower(), *why, *told, each.model, *likely]
