"""``gadolin predict``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_failures, split_failures
from gadolin.cli.options import AsJson, Model, OptionalInputs, Plane, Runtime, Series, values
from gadolin.cli.output import class_name, print_csv, print_json, print_message, progress_bar, table
from gadolin.cli.predict_bulk import predict_into_folder

if TYPE_CHECKING:
    from gadolin.records import Failure, Prediction


def predict(
    paths: OptionalInputs = None,
    model: Model = None,
    runtime: Runtime = "onnxruntime",
    threads: Annotated[int, typer.Option(help="Threads of the network; 0 for one per core.")] = 0,
    series: Series = None,
    plane: Plane = "acquired",
    as_json: AsJson = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV with one row per slice.")] = False,
    out: Annotated[
        Path | None, typer.Option(help="New folder for the answers as Parquet, for very many files.")
    ] = None,
    manifest: Annotated[str | None, typer.Option(help="A CSV or Parquet file with a column path; needs --out.")] = None,
    engine: Annotated[str, typer.Option(**values("local"), help="What runs the work of --out.")] = "local",
    processes: Annotated[int, typer.Option(help="Processes of the local engine.")] = 1,
    partition: Annotated[int, typer.Option(help="Files in each Parquet file of --out.")] = 500,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the answers in --out.")] = False,
    max_failures: Annotated[
        int | None, typer.Option(help="Stop --out when more files have failed; by default never.")
    ] = None,
) -> None:
    """Classify slices: label or abstention, and probabilities.

    Unreadable files are reported, and the other slices are predicted; the exit code is then 1. Files that are left out
    of folders are listed with the reason. For research only; not a medical device.
    """
    from gadolin.errors import RequestError
    from gadolin.files.folder_walk import failures_json
    from gadolin.models.predictor import Predictor
    from gadolin.records import JSON_FORMAT, NOTICE, Failure, Prediction
    from gadolin.workflows.predict_bulk import BulkPlan
    from gadolin.workflows.predict_files import expand, predict_files

    if as_json and as_csv:
        raise RequestError(
            code="options_exclude_each_other",
            rule="the output is either JSON or CSV",
            got="got --json and --csv",
            remedy="give one",
        )
    if out is not None:
        plan = BulkPlan(
            out, tuple(paths or ()), manifest, model, runtime, threads, plane, partition, resume, max_failures
        )
        predict_into_folder(plan, engine=engine, processes=processes, as_json=as_json)
        return
    if not paths:
        raise RequestError(
            code="usage", rule="there must be one path or more", got="got none", remedy="see gadolin predict --help"
        )
    expanded = expand(paths, series=series)
    predictor = Predictor.load(model, runtime=runtime, threads=threads)
    results = _with_progress(predict_files(predictor, expanded.files, plane=plane), len(expanded.files))
    predictions = [each for each in results if isinstance(each, Prediction)]
    failures, left_out = split_failures(
        [each for each in results if isinstance(each, Failure)], expanded, results=predictions
    )
    if as_json:
        content = {"predictions": [each.as_json() for each in predictions], **failures_json(failures, left_out)}
        print_json({"format": JSON_FORMAT, "notice": NOTICE, "model": predictor.bundle.digest, **content})
    elif as_csv:
        _print_csv(predictions, predictor.bundle.classes)
    elif predictions:
        print(_text(predictions, predictor.bundle.classes))
    if predictions and not as_json:
        print_message(NOTICE)
    report_failures(failures, left_out, as_json=as_json)


def _with_progress(results: Iterator[Prediction | Failure], files: int) -> list[Prediction | Failure]:
    """Return all results while a progress bar counts their files."""
    kept: list[Prediction | Failure] = []
    done: set[str] = set()
    with progress_bar("predicting") as advance:
        for result in results:
            kept.append(result)
            done.add(result.path)
            advance(len(done), files, "predicting")
    return kept


def _text(predictions: list[Prediction], classes: tuple[str, ...]) -> str:
    from gadolin.records import slice_name

    rows = [
        [
            slice_name(each.path, each.frame),
            _answer(each),
            *(f"{each.probabilities[name]:.3f}" for name in classes),
            each.remark,
        ]
        for each in predictions
    ]
    head = ["slice", "class", *map(class_name, classes)]
    if any(each.remark for each in predictions):
        return table([*head, "reason"], rows, left=2, wrap=(0, -1))
    return table(head, [row[:-1] for row in rows], left=2)


def _answer(prediction: Prediction) -> str:
    """Return the predicted class, or what the model says without one."""
    from gadolin.models.decision import TUMOUR_SUSPECTED

    if prediction.label:
        return class_name(prediction.label)
    return "tumour suspected" if prediction.reason_code in TUMOUR_SUSPECTED else "abstains"


def _print_csv(predictions: list[Prediction], classes: tuple[str, ...]) -> None:
    head = ["path", "frame", "label", "abstained", "reason_code", "reason"]
    head += ["sequence", "header_sequence", "p_tumour", "validated", "series", "position_mm", "orientation", "model"]
    head += [f"p_{name}" for name in classes]
    print_csv(head, [_row(each, classes) for each in predictions])


def _row(each: Prediction, classes: tuple[str, ...]) -> list[object]:
    frame = "" if each.frame is None else each.frame
    p = [each.probabilities[name] for name in classes]
    reason = [each.reason_code or "", each.reason or ""]
    series = (each.series.key, each.series.position_mm) if each.series else (None, None)
    facts = (each.sequence, each.header_sequence, each.p_tumour, each.validated, *series, each.orientation)
    cells = ["" if one is None else str(one).lower() if isinstance(one, bool) else one for one in facts]
    return [
        each.path,
        frame,
        each.label or "",
        str(each.abstained).lower(),
        *reason,
        *cells,
        each.model,
        *p,
    ]
