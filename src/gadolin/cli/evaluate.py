"""``gadolin evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from gadolin.cli.options import Cache, PatientFrom
from gadolin.cli.output import print_json, progress_bar, say, table


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
    runtime: Annotated[str, typer.Option(help="onnxruntime or openvino.")] = "onnxruntime",
    cache: Cache = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Measure a model on labelled slices: figures with intervals, by part, and an HTML report.

    Intervals resample patients (or groups of copies) and not slices. Where the model is a run folder, slices that it
    was trained on, or copies of them, are counted apart, and this reading is recorded in the run.
    """
    from gadolin.report.evaluation import evaluate_model

    with progress_bar("evaluating") as advance:
        page = evaluate_model(
            model,
            data,
            out=out,
            patient_from=patient_from,
            options=(runtime, cache),
            progress=advance,
        )
    metrics = json.loads((page.parent / "metrics.json").read_text(encoding="utf-8"))
    if as_json:
        print_json({"report": str(page), "metrics": metrics})
    else:
        print(summary(metrics))
        say("\n".join([*(f"note: {note}" for note in metrics["notes"]), f"report: {page}"]))


def summary(metrics: dict[str, Any]) -> str:
    """Return the parts, their figures and how these differ as tables in words, for the terminal."""
    from gadolin.records import NOTICE
    from gadolin.splits import part_name

    scored = {name: part for name, part in metrics["parts"].items() if part["scored"]}
    figures = ("accuracy", "balanced_accuracy", "macro_f1")
    rows = [
        [part_name(name), str(part["n"]), *(str(part["per_class"][each]["n"]) for each in metrics["classes"])]
        + [_percent(part[key]) for key in figures]
        for name, part in scored.items()
    ]
    lines = [table(["part", "n", *metrics["classes"], "accuracy", "balanced accuracy", "macro F1"], rows), ""]
    lines += [
        f"{part_name(name)}: {part['n']} slices, not scored: {part['reason']}"
        for name, part in metrics["parts"].items()
        if name not in scored
    ]
    lines += [
        f"{part_name(each['minuend'])} less {part_name(each['subtrahend'])}: "
        + ", ".join(f"{key.replace('_', ' ').replace('f1', 'F1')} {_points(each[key])}" for key in figures)
        for each in metrics["differences"]
    ]
    return "\n".join([*lines, f"Intervals: 95 %, resampled by patient or group. {NOTICE}"])


def _percent(value: dict[str, float | None]) -> str:
    return _spelled(value, "{:.1f}", " ({:.1f}-{:.1f})")


def _points(value: dict[str, float | None]) -> str:
    return _spelled(value, "{:+.1f} points", " ({:+.1f} to {:+.1f})")


def _spelled(figure: dict[str, float | None], form: str, spread: str) -> str:
    value, low, high = (figure.get(key) for key in ("value", "low", "high"))
    if value is None:
        return "-"
    return form.format(100 * value) + ("" if low is None or high is None else spread.format(100 * low, 100 * high))
