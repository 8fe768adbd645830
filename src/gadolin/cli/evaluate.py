"""``gadolin evaluate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gadolin.cli.evaluate_bulk import Labels, ModelOrAnswers, Out, evaluate_answers
from gadolin.cli.options import AsJson, Cache, PatientFrom, Runtime
from gadolin.cli.output import class_name, print_json, print_message, progress_bar, table, wrapped

if TYPE_CHECKING:
    from gadolin.metrics import Measurement
    from gadolin.metrics.bootstrap import Interval
    from gadolin.reports.evaluation import Evaluation

_FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")


def evaluate(
    model: ModelOrAnswers,
    data: Annotated[
        Path | None,
        typer.Argument(help="A labelled folder or manifest; if it has a test part, only that is used."),
    ] = None,
    out: Out = None,
    labels: Labels = None,
    patient_from: PatientFrom = None,
    runtime: Runtime = "onnxruntime",
    cache: Cache = None,
    as_json: AsJson = False,
) -> None:
    """Measure a model on labelled slices, with intervals.

    Writes an HTML report. Intervals resample patients (or groups of duplicates), not slices. For a model in a run
    folder, training slices and their duplicates are scored separately, and the run folder records the evaluation.
    """
    from gadolin.errors import RequestError

    if labels is not None and data is None:
        evaluate_answers(model, labels, out, as_json=as_json)
        return
    if data is None or labels is not None:
        raise RequestError(
            code="usage",
            rule="evaluate needs either a model and labelled data, or answers and --labels",
            got="got neither" if data is None else "got both",
            remedy="see gadolin evaluate --help",
        )
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
    """Return right, answered and declined slices in sentences, then tables of subsets and of answers."""
    from gadolin.records import NOTICE
    from gadolin.reports.answers import answer_sentences, declined_reasons
    from gadolin.reports.wording import figure_name, spelled
    from gadolin.splits import part_name

    measurement = evaluation.measurement
    overall = measurement.overall
    accuracy = ", ".join(spelled("accuracy", overall.figures["accuracy"]))
    lines = [
        f"{overall.correct:,} of {overall.n:,} right ({accuracy}), by the most probable class of every slice.",
        *answer_sentences(overall, never_declines=evaluation.never_declines),
    ]
    declines = overall.abstention is not None and overall.abstention.declined > 0
    if overall.abstention is not None and declines:
        lines.append(f"Declined: {declined_reasons(overall.abstention)}.")
    lines = [*(line.replace("\u00a0", " ") for line in lines), "", *_subset_table(measurement)]
    lines += [
        f"{part_name(each.minuend)} minus {part_name(each.subtrahend)}: "
        + ", ".join(f"{figure_name(key)} {_points(each.figures[key])}" for key in _FIGURES)
        for each in measurement.differences
    ]
    lines += [*([""] if lines[-1] else []), _answer_table(measurement), ""] if declines else []
    return wrapped("\n".join([*lines, f"95 % intervals, resampled by patient or group. {NOTICE}"]), sys.stdout)


def _subset_table(measurement: Measurement) -> list[str]:
    """Return the figures of each subset as a table, and the reasons why others are not scored."""
    from gadolin.metrics import Unscored
    from gadolin.splits import part_name

    rows, not_scored = [], []
    for name, part in measurement.parts.items():
        if isinstance(part, Unscored):
            not_scored.append(f"{part_name(name)}: {part.n} slices, not scored: {part.reason}")
            continue
        counts = (str(part.per_class[each].n) for each in measurement.classes)
        rows.append([part_name(name), str(part.n), *counts, *(_percent(part.figures[key]) for key in _FIGURES)])
    head = ["subset", "n", *map(class_name, measurement.classes), "accuracy", "balanced accuracy", "macro F1"]
    return [table(head, rows), "", *not_scored]


def _answer_table(measurement: Measurement) -> str:
    """Return how many slices are answered and declined, by subset, class and question."""
    from gadolin.reports.answers import answer_rows

    rows = [
        [
            row.group,
            row.name,
            *(str(count) for count in (row.answers.n, row.answers.answered, row.answers.correct, row.answers.declined)),
            _percent(row.answers.selective_accuracy),
            _percent(row.answers.coverage),
        ]
        for row in answer_rows(measurement)
    ]
    head = ["answers", "of", "n", "answered", "right", "declined", "selective accuracy", "coverage"]
    return table(head, rows, left=2, wrap=(0,))


def _percent(figure: Interval) -> str:
    return _formatted(figure, "{:.1f}", " ({:.1f}-{:.1f})")


def _points(figure: Interval) -> str:
    return _formatted(figure, "{:+.1f} points", " ({:+.1f} to {:+.1f})")


def _formatted(figure: Interval, form: str, interval_form: str) -> str:
    if figure.value is None:
        return "-"
    interval = "" if figure.interval is None else interval_form.format(*(100 * bound for bound in figure.interval))
    return form.format(100 * figure.value) + interval
