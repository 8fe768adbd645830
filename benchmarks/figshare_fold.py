"""Accuracy on the persons of one fold of the Figshare set, trained on others, over several seeds.

    python benchmarks/figshare_fold.py FIGSHARE [--fold 0] [--unread [4]] [--evidence map] [--work FOLDER] [--write]

FIGSHARE holds ``images/N.jpg`` and ``annotations.csv`` (number,label,patient,person,fold,border). No person stands in
two folds. The folds ``--unread`` are left out altogether: neither trained on nor looked at. ``--evidence map`` learns
from labels alone, ``outlines`` from the tumours' outlines too.
"""

from __future__ import annotations

import argparse
import csv
import json
import statistics
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from gadolin.datasets.manifest import file_digest, write_manifest
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.records import Record
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.run import train_model
from publish import markdown, publish, say, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--fold", type=int, default=0)
    parser.add_argument("--unread", type=int, nargs="*", default=[4])
    parser.add_argument("--evidence", choices=("map", "outlines"), default="map")
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--weights", default="none", help="none, imagenet, a file or a run")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--work", type=Path, default=Path("runs/figshare"))
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    manifest = figshare_manifest(arguments.figshare, arguments.work, arguments.fold, arguments.unread)
    runs = [trained(arguments, manifest, seed) for seed in arguments.seeds]
    unread = "".join(f", fold {fold} unread" for fold in arguments.unread)
    publish(
        "-".join(["figshare", arguments.recipe, f"fold-{arguments.fold}", arguments.evidence]),
        f"Figshare, persons of fold {arguments.fold} held out{unread}, recipe {arguments.recipe}, {arguments.evidence}",
        table(runs, arguments.seeds),
        write=arguments.write,
    )


def figshare_manifest(figshare: Path, work: Path, fold: int, unread: Sequence[int] = ()) -> Path:
    """Write the manifest and the outlines as masks, and return the manifest's path."""
    csv.field_size_limit(10_000_000)
    with (figshare / "annotations.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if int(row["fold"]) not in unread]
    records = []
    (work / "outlines").mkdir(parents=True, exist_ok=True)
    for row in rows:
        picture = figshare / "images" / f"{row['number']}.jpg"
        mask = np.zeros((512, 512), np.uint8)
        cv2.fillPoly(mask, [np.rint(np.array(json.loads(row["border"]))).astype(np.int32)], 255)
        outline = work / "outlines" / f"{row['number']}.png"
        cv2.imwrite(str(outline), mask)
        records.append(
            Record(
                path=picture,
                label=row["label"],
                patient=row["person"],
                source="figshare-1512427",
                split="test" if int(row["fold"]) == fold else "train",
                fold=int(row["fold"]),
                outline=str(outline),
                digest=file_digest(picture),
            )
        )
    write_manifest(work / "manifest.csv", records)
    return work / "manifest.csv"


def trained(arguments: argparse.Namespace, manifest: Path, seed: int) -> dict[str, object]:
    """Train with one seed, unless that run is already there, and return its metrics and seconds of training."""
    out = arguments.work / f"{arguments.evidence}-seed{seed}"
    if not (out / "evaluation" / "metrics.json").is_file():
        recipe = with_settings(
            named_recipe(arguments.recipe), [f"network.evidence={arguments.evidence}", *arguments.settings]
        )
        start, machine = StartingPoint.resolve(arguments.weights), Machine(seed=seed)
        plan = Plan(manifest, out, recipe, weights=start, machine=machine, resume=RunFolder(out).exists)
        train_model(plan, progress=say)
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    return metrics | {"seconds": RunFolder(out).read().training_seconds}


def table(runs: list[dict[str, object]], seeds: list[int]) -> list[str]:
    rows = []
    for seed, run in zip(seeds, runs, strict=True):
        rows.append(
            [
                str(seed),
                *(shown(run[key]) for key in ("accuracy", "balanced_accuracy", "macro_f1")),
                f"{run['seconds'] / 60:.1f}",
            ]
        )
    median = statistics.median(run["accuracy"]["value"] for run in runs)  # type: ignore[index]
    head = ["seed", "accuracy", "balanced accuracy", "macro F1", "minutes of training"]
    count = f"{runs[0]['n']} slices of {runs[0]['groups']} persons"
    return [*markdown(head, rows), "", f"Median accuracy of {len(runs)} seeds: **{100 * median:.1f} %** of {count}."]


if __name__ == "__main__":
    main()
