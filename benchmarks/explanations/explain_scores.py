"""Scores of every explanation method on outlined slices, for models trained with and without outlines.

    python -m benchmarks run explain_scores DATA OUTLINES LABELS [--samples 1000] [--slices 120] [--write]

DATA is a manifest with outlines; neither run was trained on its test part. OUTLINES is a run that was trained on
outlines, LABELS one of the same recipe without; fewer methods are scored for it. The scores are stored in the folder
``explanations`` of each run and computed if that is missing. Needs the extras train and explain.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.publish import markdown, print_progress, publish, with_interval
from gadolin.explanations import Options
from gadolin.explanations.scoring.score import FAITHFUL, MEASURES, ScoringConfig
from gadolin.metrics import compare, read_table
from gadolin.metrics.assess import predictions_of
from gadolin.models.predictor import Predictor
from gadolin.workflows.score_explanations import score_model

Lines = list[dict[str, Any]]
BESIDE = ("evidence", "gradcam", "lime", "shap", "centre")
"""Methods that are scored for the run that was trained on labels alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("outlines", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--slices", type=int, default=120, help="slices for LIME, SHAP, occlusion and the curves")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    config = ScoringConfig(options=Options(samples=arguments.samples), slices=arguments.slices)
    outlines = scored(arguments.outlines, arguments.data, config)
    labels = scored(arguments.labels, arguments.data, replace(config, methods=BESIDE, faithfulness=False))
    better = compare(*(read_table(predictions_of(run)) for run in (arguments.labels, arguments.outlines)))
    gain = 100 * (better.correct_b - better.correct_a) / better.common
    low, high = (100 * (bound or 0.0) for bound in (better.accuracy.low, better.accuracy.high))
    lines = [
        f"The network trained with outlines, on all {outlines[0]['n']} slices of {outlines[0]['groups']} patients "
        f"(lime, shap, occlusion, deletion and insertion on {arguments.slices}):",
        "",
        *whole(outlines),
        "",
        "Pointing game by predicted class, for the network trained with outlines / the one trained with labels alone:",
        "",
        *by_class(outlines, labels),
        "",
        "“↓”: no more often than the centre of the head, on the same slices. Intervals resample patients. The network "
        f"trained with outlines classifies {better.correct_b} of {better.common} slices correctly, the one trained "
        f"with labels alone {better.correct_a}: a difference of {gain:+.1f} points (paired interval {low:.1f} to "
        f"{high:.1f}).",
    ]
    publish("explain-scores", "Explanations compared with tumour outlines", lines, write=arguments.write)


def scored(run: Path, data: Path, config: ScoringConfig) -> Lines:
    """Return the scores of a run, computed if missing; exits if they were computed with other options."""
    folder = run / "explanations"
    if not (folder / "explanations.json").is_file():
        score_model(Predictor.load(run), run, data, config, out=folder, progress=print_progress)
    scores = json.loads((folder / "explanations.json").read_text())
    if (scores["slices"], scores["options"]["samples"]) != (config.slices, config.options.samples):
        msg = f"{folder} has scores with other --slices or --samples; remove it to recompute them"
        raise SystemExit(msg)
    lines: Lines = scores["lines"]
    return lines


def whole(lines: Lines) -> list[str]:
    """Return the table over all slices: pointing with its interval, means of the other measures."""
    names = [*MEASURES[1:], *FAITHFUL]
    rows = []
    for line in lines:
        if line["of"] == "all":
            means = [f"{line[name]['value']:.3f}" if name in line else "" for name in names]
            rows.append([line["method"], str(line["n"]), with_interval(line["pointing"]), *means])
    return markdown(["method", "n", "pointing", *names], rows)


def by_class(outlines: Lines, labels: Lines) -> list[str]:
    """Return the table of pointing by class, with both models in each cell."""
    first, second = ({(line["method"], line["value"]): pointed(line) for line in lines} for lines in (outlines, labels))
    columns = list(dict.fromkeys(line["value"] for line in outlines if line["of"] in ("all", "class")))
    rows = [
        [name, *(f"{first.get((name, column), '-')} / {second.get((name, column), '-')}" for column in columns)]
        for name in dict.fromkeys(line["method"] for line in outlines)
    ]
    return markdown(["method", *columns], rows)


def pointed(line: dict[str, Any]) -> str:
    """Return the hit rate of the pointing game, marked if not above that of the centre of the head."""
    return f"{100 * line['pointing']['value']:.0f} %{' ↓' if line['below_prior'] else ''}"
