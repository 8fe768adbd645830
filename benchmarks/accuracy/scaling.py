"""Cost of wrong input scaling on a frozen ImageNet network: [0, 1] against the network's statistics.

    python -m benchmarks run scaling KAGGLE FIGSHARE [--epochs 5] [--input-size 160] [--seeds 0] [--work FOLDER]
        [--write]

The founding recipe (``resnet50``: frozen but for the last stage, pooling, dense 128, dropout, Adam 1e-4, class weights)
with the backbone tf_efficientnet_lite0 and its ImageNet weights, from the package of the extra ``imagenet``. Trained on
Kaggle's Training and tested on its Testing by subset; trained on the Figshare folds 0, 1 and 2 and tested on fold 3.
ResNet50 itself is not measured: no package has its weights.
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path
from typing import Any

from benchmarks.datasets import figshare_manifest, kaggle_manifest
from benchmarks.publish import keep_predictions, markdown, print_progress, publish, with_interval
from gadolin.metrics.table import read_table
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.splits import part_name
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

BACKBONE = "tf_efficientnet_lite0"
SCALINGS = {"statistics of ImageNet": "true", "[0, 1]": "false"}
HELD_OUT, UNREAD = 3, 4  # folds of Figshare
FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--work", type=Path, default=Path("runs/scaling"))
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--input-size", type=int, default=160)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    kaggle = arguments.work / "kaggle" / "manifest.csv"
    if not kaggle.is_file():
        kaggle_manifest(arguments.kaggle, arguments.figshare, kaggle)
    data = {
        "figshare": figshare_manifest(arguments.figshare, arguments.work / "figshare", HELD_OUT, [UNREAD]),
        "kaggle": kaggle,
    }
    lines: list[list[str]] = []
    for name, seed in product(data, arguments.seeds):
        for scaling, normalise in SCALINGS.items():
            metrics = trained(arguments, data[name], name, normalise, seed)
            lines += rows(metrics, name, scaling, seed)
            if arguments.write:
                run = RunFolder(folder_of(arguments, name, normalise, seed))
                keep_predictions(f"scaling-{run.path.name}", read_table(run.predictions))
    publish(
        "scaling",
        "Wrong input scaling of an ImageNet network",
        table(lines, arguments),
        write=arguments.write,
    )


def trained(arguments: argparse.Namespace, manifest: Path, name: str, normalise: str, seed: int) -> dict[str, Any]:
    """Train one network unless its run is finished; return its metrics."""
    out = folder_of(arguments, name, normalise, seed)
    if not (out / "evaluation" / "metrics.json").is_file():
        settings = {
            "network.backbone": BACKBONE,
            "network.normalise": normalise,
            "network.input_size": arguments.input_size,
            "epochs": arguments.epochs,
        }
        recipe = with_settings(named_recipe("resnet50"), [f"{key}={value}" for key, value in settings.items()])
        resume = RunFolder(out).exists
        plan = Plan(
            manifest, out, recipe, weights=StartingPoint.resolve("imagenet"), machine=Machine(seed=seed), resume=resume
        )
        train_model(plan, progress=print_progress)
    return dict(json.loads((out / "evaluation" / "metrics.json").read_text()))


def folder_of(arguments: argparse.Namespace, name: str, normalise: str, seed: int) -> Path:
    return Path(arguments.work / f"{name}-normalise-{normalise}-seed{seed}")


def rows(metrics: dict[str, Any], name: str, scaling: str, seed: int) -> list[list[str]]:
    """Return the rows of one network: the held-out persons, or Testing by subset."""
    parts = metrics["subsets"] if name == "kaggle" else {f"patients of fold {HELD_OUT}": metrics["subsets"]["all"]}
    found = []
    for part, scores in parts.items():
        figures = [with_interval(scores[key]) for key in FIGURES] if scores["scored"] else [scores["reason"], "", ""]
        found.append([f"{name}: {part_name(part)}", scaling, str(seed), str(scores["n"]), *figures])
    return found


def table(lines: list[list[str]], arguments: argparse.Namespace) -> list[str]:
    head = ["test slices", "scaling", "seed", "n", "accuracy (95 %)", "balanced accuracy", "macro F1"]
    return [
        *markdown(head, sorted(lines, key=lambda row: row[0])),
        "",
        "Scaling: the input is normalised with the statistics of ImageNet, as the pretrained weights expect, or only "
        f"scaled to [0, 1]. Recipe resnet50 with the backbone {BACKBONE}, {arguments.input_size} pixels and "
        f"{arguments.epochs} epochs (the recipe has 256 and 20, which would take too long on two cores). ResNet50 "
        "itself was not measured.",
    ]
