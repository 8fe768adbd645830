"""Five-fold patient-level cross-validation: Figshare's slices, with Kaggle's notumor as fourth class.

    python -m benchmarks run crossval FIGSHARE KAGGLE [--recipe default] [--seed 0] [--folds 0 1 2 3 4] [--write]

FIGSHARE holds ``images/N.jpg`` and ``annotations.csv`` (number,label,patient,person,fold,border); its patient-level
folds are kept. From the notumor slices of Training and Testing the first of each group of duplicates is taken;
duplicates stay in one fold. Predictions of the five held-out folds are pooled. The three-class scores are those of the
same networks on the tumour slices, with notumor as a possible class and without. ``--folds`` trains some folds only.
``--write`` stores the predictions of each finished fold in docs/predictions, and the result once all five are there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks.accuracy.tables import summary_lines
from benchmarks.datasets import FOLDS, four_class_manifest
from benchmarks.publish import (
    keep_predictions,
    predictions_path,
    print_progress,
    publish,
)
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.reports.figures import reliability_diagram, risk_coverage_curve
from gadolin.training.crossval import cross_validate, joined_tables
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("--recipe", default="default")
    parser.add_argument(
        "--weights",
        default="none",
        help="starting point: none, imagenet, a weights file, a run or a finished cross-validation",
    )
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, nargs="+", default=range(FOLDS), help="folds to train now")
    parser.add_argument("--work", type=Path, default=Path("runs/crossval"))
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    manifest = arguments.work / "manifest.csv"
    if not manifest.is_file():
        four_class_manifest(arguments.figshare, arguments.kaggle, arguments.work)
    out = arguments.work / f"{arguments.recipe}-seed{arguments.seed}"
    plan = Plan(
        data=manifest,
        out=out,
        recipe=with_settings(named_recipe(arguments.recipe), arguments.settings),
        weights=StartingPoint.resolve(arguments.weights),
        machine=Machine(seed=arguments.seed),
        resume=out.is_dir(),
    )
    cross_validate(plan, only=arguments.folds, progress=print_progress)
    name = f"crossval-{arguments.recipe}-seed{arguments.seed}"
    answers = {fold: answered(out / f"fold-{fold}", f"{name}-fold{fold}", arguments) for fold in range(FOLDS)}
    left = [fold for fold, found in answers.items() if found is None]
    if left:
        msg = f"folds {', '.join(map(str, left))} are missing; train them with --folds"
        raise SystemExit(msg)
    folds = [found for found in answers.values() if found is not None]
    title = f"Five patient-level folds, recipe {arguments.recipe}, seed {arguments.seed}"
    start = "" if arguments.weights == "none" else f", fine-tuned from {Path(arguments.weights).name}"
    lines = [*summary_lines(folds), "", f"Out-of-fold predictions of five networks, one for each fold{start}."]
    if arguments.seed:  # the diagrams of one seed are enough
        publish(name, title, lines, write=arguments.write)
    else:
        publish(f"crossval-{arguments.recipe}", title, lines, write=arguments.write, pictures=drawn(folds))


def answered(run: Path, name: str, arguments: argparse.Namespace) -> Table | None:
    """Return the predictions of a fold, from its run folder or docs/predictions; None if neither has them."""
    folder = RunFolder(run)
    if folder.is_finished:
        table = read_table(folder.predictions)
        if arguments.write:
            keep_predictions(name, table)
        return table
    kept = predictions_path(name)
    return read_table(kept) if kept.is_file() else None


def drawn(folds: Sequence[Table]) -> dict[str, bytes]:
    """Return the reliability diagram and the risk-coverage curve as PNG, by title."""
    table = joined_tables(folds)
    return {"Reliability": reliability_diagram(table), "Risk and coverage": risk_coverage_curve(table, None)}
