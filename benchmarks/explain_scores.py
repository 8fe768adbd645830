"""Every method of explanation scored on outlined slices, for a model that learned from outlines and one that did not.

    python benchmarks/explain_scores.py DATA OUTLINES LABELS [--samples 1000] [--slices 120] [--write]

DATA is a manifest with outlines; of its test part neither run has learned. OUTLINES is a run that learned from
outlines, LABELS the same recipe without, of which fewer methods are scored. What is scored stands in a folder
``explanations`` of each run and is taken anew where that is missing. The needed extras are train and explain.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from gadolin.explanations import Options
from gadolin.explanations.scoring.score import FAITHFUL, MEASURES, ScoringConfig
from gadolin.metrics import compare, read_table
from gadolin.metrics.assess import predictions_of
from gadolin.models.predictor import Predictor
from gadolin.workflows.score_explanations import score_model
from publish import markdown, publish, say, shown

Lines = list[dict[str, Any]]
BESIDE = ("evidence", "gradcam", "lime", "shap", "centre")
"""Of the run that learned from labels alone."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("outlines", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--slices", type=int, default=120, help="that lime, shap, occlusion and the curves see")
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md and README.md")
    arguments = parser.parse_args()
    wish = ScoringConfig(options=Options(samples=arguments.samples), slices=arguments.slices)
    outlines = scored(arguments.outlines, arguments.data, wish)
    labels = scored(arguments.labels, arguments.data, replace(wish, methods=BESIDE, faithfulness=False))
    better = compare(*(read_table(predictions_of(run)) for run in (arguments.labels, arguments.outlines)))
    gain = 100 * (better.correct_b - better.correct_a) / better.common
    low, high = (100 * (bound or 0.0) for bound in (better.accuracy.low, better.accuracy.high))
    lines = [
        f"Learned from outlines, all {outlines[0]['n']} slices of {outlines[0]['groups']} persons (lime, shap, "
        f"occlusion, deletion and insertion: {arguments.slices}):",
        "",
        *whole(outlines),
        "",
        "Pointing by the class that the model named, learned from outlines / from labels alone:",
        "",
        *by_class(outlines, labels),
        "",
        "“↓”: no more often than the middle of the head, on the same slices. Intervals resample persons. Learning from "
        f"outlines names {gain:+.1f} points more slices rightly than labels alone (paired "
        f"interval {low:.1f} to {high:.1f}; {better.correct_b} and {better.correct_a} of {better.common}).",
    ]
    publish("explain-scores", "Explanations against outlines of tumours", lines, write=arguments.write)


def scored(run: Path, data: Path, wish: ScoringConfig) -> Lines:
    """Return the lines of a run's scores; take them if nobody did, and complain of other options."""
    folder = run / "explanations"
    if not (folder / "explanations.json").is_file():
        score_model(Predictor.load(run), run, data, wish, out=folder, progress=say)
    told = json.loads((folder / "explanations.json").read_text())
    if (told["slices"], told["options"]["samples"]) != (wish.slices, wish.options.samples):
        msg = f"{folder} holds scores of other --slices or --samples; remove it to take them anew"
        raise SystemExit(msg)
    lines: Lines = told["lines"]
    return lines


def whole(lines: Lines) -> list[str]:
    """Return the table of all slices: pointing with its interval, every other measure as a mean."""
    names = [*MEASURES[1:], *FAITHFUL]
    rows = []
    for line in lines:
        if line["of"] == "all":
            means = [f"{line[name]['value']:.3f}" if name in line else "" for name in names]
            rows.append([line["method"], str(line["n"]), shown(line["pointing"]), *means])
    return markdown(["method", "n", "pointing", *names], rows)


def by_class(outlines: Lines, labels: Lines) -> list[str]:
    """Return the table of pointing by class, both models in each cell."""
    first, second = ({(line["method"], line["value"]): pointed(line) for line in lines} for lines in (outlines, labels))
    columns = list(dict.fromkeys(line["value"] for line in outlines if line["of"] in ("all", "class")))
    rows = [
        [name, *(f"{first.get((name, column), '-')} / {second.get((name, column), '-')}" for column in columns)]
        for name in dict.fromkeys(line["method"] for line in outlines)
    ]
    return markdown(["method", *columns], rows)


def pointed(line: dict[str, Any]) -> str:
    """Return how often the hottest pixel lay in the lesion, and whether no more often than the middle of the head."""
    return f"{100 * line['pointing']['value']:.0f} %{' ↓' if line['below_prior'] else ''}"


if __name__ == "__main__":
    main()
