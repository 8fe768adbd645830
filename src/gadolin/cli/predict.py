"""``gadolin predict``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.failures import report_failures, split_failures
from gadolin.cli.options import AsJson, Model, OptionalInputs, Plane, Runtime, Series
from gadolin.cli.output import class_name, print_csv, print_json, print_message, progress_bar, table
from gadolin.cli.predict_bulk import (
    EngineName,
    Manifest,
    MaxFailures,
    Out,
    PartitionSize,
    Processes,
    Resume,
    predict_into_folder,
)

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
    out: Out = None,
    manifest: Manifest = None,
    engine: EngineName = "local",
    processes: Processes = 1,
    partition: PartitionSize = 500,
    resume: Resume = False,
    max_failures: MaxFailures = None,
) -> None:
    """Classify slices: label or abstention, and probabilities.

    Unreadable files are reported, and the other slices are predicted; the exit code is then 1. Files that are left out
    of folders are listed with the reason. For research only; not a medical device.
    """
    from gadolin.files.folder_walk import failures_json
    from gadolin.models.predictor import Predictor
    from gadolin.records import JSON_FORMAT, NOTICE, Failure, Prediction
    from gadolin.workflows.predict_files import expand, predict_files

    _exclude({"--json": as_json, "--csv": as_csv})
    if out is not None:
        from gadolin.workflows.predict_bulk import BulkPlan

        _exclude({"--out": True, "--csv": as_csv, "--series": series is not None})
        plan = BulkPlan(
            out, tuple(paths or ()), manifest, model, runtime, threads, plane, partition, resume, max_failures
        )
        predict_into_folder(plan, engine=engine, processes=processes, as_json=as_json)
        return
    _require_out({"--manifest": manifest, "--resume": resume or None, "--max-failures": max_failures})
    expanded = expand(_one_or_more(paths), series=series)
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


def _exclude(options: dict[str, bool]) -> None:
    """Raise RequestError if more than one of the options is given."""
    from gadolin.errors import RequestError

    given = [name for name, used in options.items() if used]
    if len(given) > 1:
        raise RequestError(
            code="options_exclude_each_other",
            rule=f"only one of {', '.join(options)} can be given",
            got=f"got {' and '.join(given)}",
            remedy="give one",
        )


def _require_out(options: dict[str, object]) -> None:
    """Raise RequestError if one of the options is given, which have no effect without --out."""
    from gadolin.errors import RequestError

    given = [name for name, value in options.items() if value is not None]
    if given:
        raise RequestError(
            code="option_needs_out",
            rule=f"{', '.join(options)} are for answers in a folder",
            got=f"got {' and '.join(given)} without --out",
            remedy="add --out FOLDER",
        )


def _one_or_more(paths: list[str] | None) -> list[str]:
    """Return the paths; raises RequestError if there are none."""
    from gadolin.errors import RequestError

    if not paths:
        raise RequestError(
            code="usage", rule="there must be one path or more", got="got none", remedy="see gadolin predict --help"
        )
    return paths


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
