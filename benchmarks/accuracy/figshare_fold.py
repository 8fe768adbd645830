"""Accuracy on one held-out fold of Figshare, over several seeds.

    python -m benchmarks run figshare_fold FIGSHARE [--fold 0] [--unread [4]] [--evidence map] [--work FOLDER] [--write]

FIGSHARE holds ``images/N.jpg`` and ``annotations.csv`` (number,label,patient,person,fold,border); its folds are
patient-level. The folds ``--unread`` are used for neither training nor testing. ``--evidence map`` trains on labels
alone, ``outlines`` also on the outlines of the tumours.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path

from benchmarks.datasets import figshare_manifest
from benchmarks.publish import markdown, print_progress, publish, with_interval
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

LEARNED_FROM = {"map": "labels only", "outlines": "labels and outlines"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--unread", type=int, nargs="*", default=[4])
    parser.add_argument("--evidence", choices=tuple(LEARNED_FROM), default="map")
    parser.add_argument("--recipe", default="default")
    parser.add_argument(
        "--weights", default="none", help="starting point: none, imagenet, a weights file or a run folder"
    )
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("runs/figshare"))
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    manifest = figshare_manifest(arguments.figshare, arguments.work, arguments.fold, arguments.unread)
    runs = [trained(arguments, manifest, seed) for seed in arguments.seeds]
    labels = LEARNED_FROM[arguments.evidence]
    unread = "".join(f", fold {fold} unused" for fold in arguments.unread)
    publish(
        "-".join(["figshare", arguments.recipe, f"fold-{arguments.fold}", arguments.evidence]),
        f"Figshare, fold {arguments.fold} held out{unread}, recipe {arguments.recipe}, {labels}",
        table(runs, arguments.seeds),
        write=arguments.write,
    )


def trained(arguments: argparse.Namespace, manifest: Path, seed: int) -> dict[str, object]:
    """Train with one seed unless the run folder exists; return its metrics and seconds of training."""
    out = arguments.work / f"{arguments.evidence}-seed{seed}"
    if not (out / "evaluation" / "metrics.json").is_file():
        recipe = with_settings(
            named_recipe(arguments.recipe), [f"network.evidence={arguments.evidence}", *arguments.settings]
        )
        start, machine = StartingPoint.resolve(arguments.weights), Machine(seed=seed)
        plan = Plan(manifest, out, recipe, weights=start, machine=machine, resume=RunFolder(out).exists)
        train_model(plan, progress=print_progress)
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    return metrics | {"seconds": RunFolder(out).read().training_seconds}


def table(runs: list[dict[str, object]], seeds: list[int]) -> list[str]:
    rows = []
    for seed, run in zip(seeds, runs, strict=True):
        rows.append(
            [
                str(seed),
                *(with_interval(run[key]) for key in ("accuracy", "balanced_accuracy", "macro_f1")),
                f"{run['seconds'] / 60:.1f}",
            ]
        )
    median = statistics.median(run["accuracy"]["value"] for run in runs)  # type: ignore[index]
    head = ["seed", "accuracy", "balanced accuracy", "macro F1", "minutes of training"]
    count = f"{runs[0]['n']} slices of {runs[0]['groups']} patients"
    seeds = "1 seed" if len(runs) == 1 else f"{len(runs)} seeds"
    return [*markdown(head, rows), "", f"Median accuracy of {seeds}: **{100 * median:.1f} %** of {count}."]
