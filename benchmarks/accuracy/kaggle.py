"""Accuracy on Kaggle's Testing, and on its subsets by overlap with Training.

    python -m benchmarks run kaggle KAGGLE FIGSHARE [--work FOLDER] [--seed 0] [--write]

KAGGLE holds ``Training`` and ``Testing``. Slices that are duplicates of FIGSHARE (``images/N.jpg`` and
``annotations.csv``) get its patients. Trains a network unless the run folder exists.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.datasets import kaggle_manifest
from benchmarks.publish import keep_predictions, markdown, print_progress, publish, with_interval
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import Provenance, RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.splits import SUBSETS, part_name
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--recipe", default="default")
    parser.add_argument(
        "--weights", default="none", help="starting point: none, imagenet, a weights file or a run folder"
    )
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/kaggle"))
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    out = arguments.work / f"{arguments.recipe}-seed{arguments.seed}"
    if not (out / "evaluation" / "metrics.json").is_file():
        manifest = arguments.work / "manifest.csv"
        if not manifest.is_file():
            kaggle_manifest(arguments.kaggle, arguments.figshare, manifest)
        recipe = with_settings(named_recipe(arguments.recipe), arguments.settings)
        start, machine = StartingPoint.resolve(arguments.weights), Machine(seed=arguments.seed)
        plan = Plan(manifest, out, recipe, weights=start, machine=machine, resume=RunFolder(out).exists)
        train_model(plan, progress=print_progress)
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    run = RunFolder(out).read()
    start = "from scratch" if arguments.weights == "none" else f"from {arguments.weights} weights"
    title = f"Kaggle test folder, recipe {arguments.recipe}, {start}"
    predictions = read_table(out / "evaluation" / "predictions.csv")
    if arguments.write:
        keep_predictions(f"kaggle-{arguments.recipe}-seed{arguments.seed}", predictions)
    publish("kaggle", title, table(predictions, metrics, training(out, run)), write=arguments.write)


def table(predictions: Table, metrics: dict[str, Any], training: str) -> list[str]:
    """Return the table of scores by subset."""
    rows = []
    for name in ("all", *SUBSETS):
        part, title = metrics["subsets"][name], part_name(name)
        if not part.get("scored", True):
            rows.append([title, str(part["n"]), part["reason"], "", ""])
            continue
        chosen = predictions if name == "all" else predictions.part(name)
        counts = np.bincount(chosen.truth, minlength=len(chosen.classes))
        split = ", ".join(f"{label} {count}" for label, count in zip(chosen.classes, counts, strict=True))
        rows.append([title, f"{part['n']} ({split})", *(with_interval(part[key]) for key in FIGURES)])
    head = ["subset of Testing", "n", "accuracy (95 %)", "balanced accuracy", "macro F1"]
    return [
        *markdown(head, rows),
        "",
        "“duplicate”: Training has the same slice, identical, mirrored or otherwise altered. “known patient”: it does "
        "not, but it has other slices of the patient. “new slice”: it does not, and the patient is unknown. “new "
        "patient”: the patient is known and not in Training. Patients are those of the Figshare collection. Intervals "
        "resample patients, or groups of copies where the patient is unknown.",
        "",
        training,
    ]


def training(out: Path, run: Provenance) -> str:
    """Return one sentence on the training: epochs, time, precision and threads."""
    seconds = sum(row["seconds"] or 0 for row in RunFolder(out).history())
    return (
        f"{run.epochs} epochs took {seconds / 60:.1f} minutes of training ({run.precision}, {run.threads} "
        f"threads), validation included; epoch {run.chosen_epoch} was chosen on the validation part."
    )
