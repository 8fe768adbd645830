"""``gadolin evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.options import AsJson, Cache, PatientFrom, Runtime
from gadolin.cli.output import class_name, print_json, print_message, progress_bar, table

if TYPE_CHECKING:
    from gadolin.metrics.bootstrap import Interval
    from gadolin.reports.evaluation import Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(help="A run folder, a bundle, or shipped for the packaged model.")],
    data: Annotated[
        Path,
        typer.Argument(help="A labelled folder or manifest; if it has a test part, only that is used."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder to write; by default evaluation-<data> beside the model."),
    ] = None,
    patient_from: PatientFrom = None,
    runtime: Runtime = "onnxruntime",
    cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on labelled slices, with intervals.

    Writes an HTML report. Intervals resample patients (or groups of duplicates), not slices. For a model in a run
    folder, training slices and their duplicates are scored separately, and the run folder records the evaluation.
    """
    from gadolin.datasets import scan
    from gadolin.models.bundle import beside
    from gadolin.models.model_path import require_folder_of_its_own
    from gadolin.models.run_folder import RunFolder
    from gadolin.workflows.evaluate import evaluate as evaluate_model

    run = RunFolder.containing(model) or RunFolder.containing(model.resolve())
    found = scan(data, patient_from=patient_from)
    folder = out or beside(run.path if run else model) / f"evaluation-{found.name}"
    require_folder_of_its_own(folder)
    with progress_bar("evaluating") as advance:
        evaluation = evaluate_model(
            model,
            found,
            runtime=runtime,
            cache=cache,
            progress=advance,
        )
    evaluation.save(folder)
    report = folder / "report.html"
    if as_json:
        print_json({"report": str(report), "metrics": evaluation.as_json()})
    else:
        print(summary(evaluation))
        print_message("\n".join([*(f"note: {note}" for note in evaluation.notes), f"report: {report}"]))


def summary(evaluation: Evaluation) -> str:
    """Return the figures of each subset as a table, and the differences between subsets as sentences."""
    from gadolin.metrics import Unscored
    from gadolin.records import NOTICE
    from gadolin.splits import part_name

    measurement = evaluation.measurement
    figures = ("accuracy", "balanced_accuracy", "macro_f1")
    rows, not_scored = [], []
    for name, part in measurement.parts.items():
        if isinstance(part, Unscored):
            not_scored.append(f"{part_name(name)}: {part.n} slices, not scored: {part.reason}")
            continue
        counts = (str(part.per_class[each].n) for each in measurement.classes)
        rows.append([part_name(name), str(part.n), *counts, *(_percent(part.figures[key]) for key in figures)])
    lines = [
        table(
            ["subset", "n", *map(class_name, measurement.classes), "accuracy", "balanced accuracy", "macro F1"], rows
        ),
        "",
        *not_scored,
    ]
    lines += [
        f"{part_name(each.minuend)} minus {part_name(each.subtrahend)}: "
        + ", ".join(f"{key.replace('_', ' ').replace('f1', 'F1')} {_points(each.figures[key])}" for key in figures)
        for each in measurement.differences
    ]
    return "\n".join([*lines, f"95 % intervals, resampled by patient or group. {NOTICE}"])


def _percent(figure: Interval) -> str:
    return _formatted(figure, "{:.1f}", " ({:.1f}-{:.1f})")


def _points(figure: Interval) -> str:
    return _formatted(figure, "{:+.1f} points", " ({:+.1f} to {:+.1f})")


def _formatted(figure: Interval, form: str, interval_form: str) -> str:
    if figure.value is None:
        return "-"
    interval = "" if figure.interval is None else interval_form.format(*(100 * bound for bound in figure.interval))
    return form.format(100 * figure.value) + interval
