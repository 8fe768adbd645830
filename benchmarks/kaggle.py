"""Accuracy on the Testing folder of the Kaggle set, beside that on the Testing pictures that are not in Training.

    python benchmarks/kaggle.py KAGGLE FIGSHARE [--work FOLDER] [--seed 0] [--write]

KAGGLE holds ``Training`` and ``Testing``; the pictures that show a slice of FIGSHARE (``images/N.jpg`` and
``annotations.csv``) take over its patient. Trains unless the run is already there.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

from gadolin.datasets import scan
from gadolin.datasets.manifest import write_manifest
from gadolin.duplicates import find_copies
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import Provenance, RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.recipe import named_recipe, with_settings
from gadolin.splits import SUBSETS, part_name, transfer_patients
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.run import train_model
from publish import keep, markdown, publish, say, shown

FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--weights", default="none", help="none, imagenet, or a file or run to start from")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/kaggle"))
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    out = arguments.work / f"{arguments.recipe}-seed{arguments.seed}"
    if not (out / "evaluation" / "metrics.json").is_file():
        manifest = arguments.work / "manifest.csv"
        if not manifest.is_file():
            write_with_patients(arguments.kaggle, arguments.figshare, manifest)
        recipe = with_settings(named_recipe(arguments.recipe), arguments.settings)
        start, machine = StartingPoint.resolve(arguments.weights), Machine(seed=arguments.seed)
        plan = Plan(manifest, out, recipe, weights=start, machine=machine, resume=RunFolder(out).exists)
        train_model(plan, progress=say)
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    run = RunFolder(out).read()
    start = "from scratch" if arguments.weights == "none" else f"from {arguments.weights} weights"
    title = f"Kaggle Testing, recipe {arguments.recipe}, {start}"
    predictions = read_table(out / "evaluation" / "predictions.csv")
    if arguments.write:
        keep(f"kaggle-{arguments.recipe}-seed{arguments.seed}", predictions)
    publish("kaggle", title, table(predictions, metrics, training(out, run)), write=arguments.write)


def write_with_patients(kaggle: Path, figshare: Path, manifest: Path) -> None:
    """Write the manifest of the Kaggle set, with the patients of the Figshare slices that its pictures show."""
    records, known = scan(kaggle).records, scan(figshare).records
    copies = find_copies(*(prepared_slices(each, Preparation()).slices for each in (records, known)))
    manifest.parent.mkdir(parents=True, exist_ok=True)
    write_manifest(manifest, transfer_patients(records, known, copies))


def table(predictions: Table, metrics: dict[str, Any], training: str) -> list[str]:
    """Return the figures of each part as lines."""
    rows = []
    for name in ("all", *SUBSETS):
        part, title = metrics["subsets"][name], part_name(name)
        if not part.get("scored", True):
            rows.append([title, str(part["n"]), part["reason"], "", ""])
            continue
        chosen = predictions if name == "all" else predictions.part(name)
        counts = np.bincount(chosen.truth, minlength=len(chosen.classes))
        split = ", ".join(f"{label} {count}" for label, count in zip(chosen.classes, counts, strict=True))
        rows.append([title, f"{part['n']} ({split})", *(shown(part[key]) for key in FIGURES)])
    head = ["subset of Testing", "n", "accuracy (95 %)", "balanced accuracy", "macro F1"]
    return [
        *markdown(head, rows),
        "",
        "“duplicate”: the slice, identical, mirrored or otherwise changed, is in Training too; “known patient”: it is "
        "not, but others of its patient are; “new slice”: it is not, and its patient is unknown; “new patient”: its "
        "patient is known and not in Training. Patients are those of the Figshare set. Intervals resample patients, "
        "or groups of copies where they are unknown.",
        "",
        training,
    ]


def training(out: Path, run: Provenance) -> str:
    """Return what the training took, in words."""
    seconds = sum(row["seconds"] or 0 for row in RunFolder(out).history())
    return (
        f"{run.epochs} epochs took {seconds / 60:.1f} minutes of training ({run.precision}, {run.threads} "
        f"threads), validation included; epoch {run.chosen_epoch} was chosen on the validation part."
    )


if __name__ == "__main__":
    main()
