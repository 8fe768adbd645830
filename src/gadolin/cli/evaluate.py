"""``gadolin evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.options import Cache, PatientFrom
from gadolin.cli.output import print_json, progress_bar, say, table

if TYPE_CHECKING:
    from gadolin.metrics.bootstrap import Interval
    from gadolin.reports.evaluation import Evaluation


def evaluate(
    model: Annotated[Path, typer.Argument(help="A run folder, a bundle, or shipped: the model of the package.")],
    data: Annotated[
        Path,
        typer.Argument(help="A labelled folder or manifest; of one with a test part, only that is read."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the report; by default evaluation-<data> beside the model."),
    ] = None,
    patient_from: PatientFrom = None,
    runtime: Annotated[str, typer.Option(help="onnxruntime, openvino, or that of a plug-in.")] = "onnxruntime",
    cache: Cache = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure a model on labelled slices: figures with intervals, by part, and an HTML report.

    Intervals resample patients (or groups of copies) and not slices. Where the model is a run folder, slices that it
    was trained on, or copies of them, are counted apart, and this reading is recorded in the run.
    """
    from gadolin.datasets import scan
    from gadolin.models.bundle import beside
    from gadolin.models.locate import require_folder_of_its_own
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
        say("\n".join([*(f"note: {note}" for note in evaluation.notes), f"report: {report}"]))


def summary(evaluation: Evaluation) -> str:
    """Return the subsets, their figures and how these differ as tables in words, for the terminal."""
    from gadolin.metrics import Unscored
    from gadolin.records import NOTICE
    from gadolin.splits import part_name

    measurement = evaluation.measurement
    figures = ("accuracy", "balanced_accuracy", "macro_f1")
    rows, unscored = [], []
    for name, part in measurement.parts.items():
        if isinstance(part, Unscored):
            unscored.append(f"{part_name(name)}: {part.n} slices, not scored: {part.reason}")
            continue
        counts = (str(part.per_class[each].n) for each in measurement.classes)
        rows.append([part_name(name), str(part.n), *counts, *(_percent(part.figures[key]) for key in figures)])
    lines = [
        table(["part", "n", *measurement.classes, "accuracy", "balanced accuracy", "macro F1"], rows),
        "",
        *unscored,
    ]
    lines += [
        f"{part_name(each.minuend)} less {part_name(each.subtrahend)}: "
        + ", ".join(f"{key.replace('_', ' ').replace('f1', 'F1')} {_points(each.figures[key])}" for key in figures)
        for each in measurement.differences
    ]
    return "\n".join([*lines, f"Intervals: 95 %, resampled by patient or group. {NOTICE}"])


def _percent(figure: Interval) -> str:
    return _spelled(figure, "{:.1f}", " ({:.1f}-{:.1f})")


def _points(figure: Interval) -> str:
    return _spelled(figure, "{:+.1f} points", " ({:+.1f} to {:+.1f})")


def _spelled(figure: Interval, form: str, spread: str) -> str:
    if figure.value is None:
        return "-"
    between = "" if figure.interval is None else spread.format(*(100 * one for one in figure.interval))
    return form.format(100 * figure.value) + between
