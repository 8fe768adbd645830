"""The founding recipe on a frozen ResNet50: weights from other persons against random weights.

    python -m benchmarks run transfer FIGSHARE [--work FOLDER] [--size 128] [--write]

FIGSHARE is as for ``figshare_fold``. A whole ResNet50 is trained on folds 1 and 2. The founding recipe, which trains
the last two blocks and the head, is then trained on fold 3 and tested once on fold 0. Fold 4 is not used.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from benchmarks.datasets import figshare_manifest
from benchmarks.publish import markdown, print_progress, publish, with_interval
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

TEST = 0
WHOLE = (
    "network.freeze=0",
    "network.freeze_blocks=0",
    "network.hidden=0",
    "network.evidence=map",
    "label_smoothing=0.1",
    "patience=0",
)
ADAMW = ("optimizer.name=adamw", "optimizer.lr=1e-3", "optimizer.weight_decay=0.05", "optimizer.schedule=cosine")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/transfer"))
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=16, help="epochs of the network to start from")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    everything = figshare_manifest(arguments.figshare, arguments.work, TEST, (4,))
    size = f"network.input_size={arguments.size}"
    source = trained(
        part(everything, {1, 2}, "source.csv"),
        arguments.work / "source",
        [size, *WHOLE, *ADAMW, f"epochs={arguments.epochs}"],
    )
    target = part(everything, {3, TEST}, "target.csv")
    rows = []
    for name, weights in (("nothing (random weights)", "none"), ("folds 1 and 2", str(source))):
        run = trained(target, arguments.work / name.replace(" ", "-"), [size], weights)
        metrics = json.loads((run / "evaluation" / "metrics.json").read_text())
        rows.append([name, *(with_interval(metrics[key]) for key in ("accuracy", "balanced_accuracy", "macro_f1"))])
    head = ["frozen weights of ResNet50 learned from", "accuracy", "balanced accuracy", "macro F1"]
    about = f"{metrics['n']} slices of {metrics['groups']} patients of fold {TEST}; {arguments.size} pixels, seed 0."
    publish(
        "transfer", "Frozen weights learned from other patients", [*markdown(head, rows), "", about],
        write=arguments.write,
    )  # fmt: skip


def part(manifest: Path, folds: set[int], name: str) -> Path:
    """Write the manifest of some folds; without the test fold, a test part is split off at patient level later."""
    records = [record for record in read_manifest(manifest, verify=False) if record.fold in folds]
    if TEST not in folds:
        records = [replace(record, split="") for record in records]
    write_manifest(manifest.with_name(name), [replace(record, outline="") for record in records])
    return manifest.with_name(name)


def trained(data: Path, out: Path, settings: list[str], weights: str = "none") -> Path:
    """Train the founding recipe with settings unless the run folder exists."""
    if not (out / "evaluation" / "metrics.json").is_file():
        recipe = with_settings(named_recipe("resnet50"), settings)
        train_model(
            Plan(data, out, recipe, StartingPoint.resolve(weights), resume=RunFolder(out).exists),
            progress=print_progress,
        )
    return out
