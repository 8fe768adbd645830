"""Gain of pretrained weights by the number of training slices.

    python -m benchmarks run learning_curve MANIFEST [--sizes 50 200 1000] [--seeds 0] [--longer 3] [--work F] [--write]

MANIFEST is that of ``crossval``: four classes in five folds. One network is trained on folds 1 and 2 with their
outlines, by the recipe ``robust`` and then ``hardened``. The target data are folds 0 and 3: a third of the persons is
the test part, and from the others so many slices are drawn (a tenth of them for validation). The recipe ``default`` is
trained on their labels alone: from random weights; from random weights for ``--longer`` times as many epochs, unless
few slices need more epochs anyway; and from the weights of the network at a fifth of the learning rate. The last keeps
the decoder and the head, as ``--weights`` does. Fold 4 is not used.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.publish import keep_predictions, markdown, percent, print_progress, publish, with_interval
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.metrics import measure
from gadolin.metrics.comparison import compare
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import Recipe, named_recipe, with_settings
from gadolin.records import Record
from gadolin.splits import hold_out
from gadolin.training.batches import steps_per_epoch
from gadolin.training.crossval import joined_tables
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model

SOURCE, OWN = (1, 2), (0, 3)
STEPS = 400  # at least, for any number of slices


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 200, 1000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--longer", type=int, default=3, help="factor of the epochs from random weights")
    parser.add_argument("--work", type=Path, default=Path("runs/learning-curve"))
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    records = read_manifest(arguments.manifest, verify=False)
    arguments.work.mkdir(parents=True, exist_ok=True)
    first, source = arguments.work / "robust", arguments.work / "hardened"
    learn(named_recipe("robust"), [replace(one, split="") for one in records if one.fold in SOURCE], first)
    learn(named_recipe("hardened"), read_manifest(first / "manifest.csv", verify=False), source, str(first))
    own = [replace(one, split="", outline="") for one in records if one.fold in OWN]
    parted = hold_out(own, 1 / 3, part="test", seed=0)
    rows = [one for size in arguments.sizes for one in compared(parted, size, source, arguments)]
    test = [one for one in parted if one.split == "test"]
    persons = {one.patient for one in test if one.patient}
    without = sum(not one.patient for one in test)
    head = ["training slices", "initial weights", "epochs", "accuracy", "gain of pretrained weights (paired, 95 %)"]
    if len(arguments.seeds) > 1:
        head[3] = "accuracy: median (each seed; 95 % over all seeds)"
    note = (
        f"Accuracy (four classes) on {len(test) - without} slices of {len(persons)} patients and {without} pictures "
        f"without a tumour. Seeds {', '.join(map(str, arguments.seeds))}, each with another random sample of training "
        "slices. The gain, in points, is that over all predictions of the seeds. All use the recipe `default` with at "
        f"least {STEPS} steps. Where the epochs of the recipe make more steps than that, networks from random weights "
        f"were also trained {arguments.longer} times as long."
    )
    publish("learning-curve", "Fine-tuning on few slices", [*markdown(head, rows), "", note], write=arguments.write)


def compared(parted: Sequence[Record], size: int, source: Path, arguments: argparse.Namespace) -> list[list[str]]:
    """Return a row for each starting point with ``size`` slices: accuracy, and the gain of the learned weights."""
    ways = {"random": "none", "long": "none", "learned": str(source)}
    recipes = {start: own_recipe(size, start, arguments.longer) for start in ways}
    if recipes["random"].epochs > named_recipe("default").epochs:
        del ways["long"]
    answers: dict[str, list[Table]] = {start: [] for start in ways}
    for seed in arguments.seeds:
        chosen = some(parted, size, seed)
        for start, weights in ways.items():
            out = arguments.work / f"{start}-{size}-{seed}"
            answers[start].append(learn(recipes[start], chosen, out, weights, seed))
    rows = []
    for start in ways:
        if arguments.write:
            keep_predictions(f"learning-curve-{start}-{size}", joined_tables(answers[start]))
        cells = [str(size), "pretrained" if start == "learned" else "random", str(recipes[start].epochs)]
        gain = "" if start == "learned" else over(answers[start], answers["learned"])
        rows.append([*cells, each_seed(answers[start]), gain])
    return rows


def over(scratch: Sequence[Table], learned: Sequence[Table]) -> str:
    """Return the gain of the learned weights in percentage points, with its interval over persons."""
    gain = compare(joined_tables(scratch), joined_tables(learned)).accuracy
    return f"{100 * gain.value:+.1f} ({100 * gain.low:.1f} to {100 * gain.high:.1f})"


def each_seed(answers: Sequence[Table]) -> str:
    """Return the accuracy of one seed, or median and values of several, with the interval of all predictions."""
    pooled = measure(joined_tables(answers)).as_json()["accuracy"]
    if len(answers) == 1:
        return with_interval(pooled)
    right = [float(table.correct.mean()) for table in answers]
    each = ", ".join(f"{100 * one:.1f}" for one in right)
    return f"{percent(float(np.median(right)))} ({each}; {100 * pooled['low']:.1f}-{100 * pooled['high']:.1f})"


def some(parted: Sequence[Record], size: int, seed: int) -> list[Record]:
    """Return the test part and ``size`` other slices, drawn at random."""
    train = [one for one in parted if one.split != "test"]
    chosen = np.random.default_rng(seed).permutation(len(train))[:size]
    return [one for one in parted if one.split == "test"] + [train[place] for place in sorted(chosen.tolist())]


def own_recipe(size: int, start: str, longer: int) -> Recipe:
    """Return the recipe ``default`` with at least STEPS training steps."""
    plain = named_recipe("default")
    steps = steps_per_epoch(round(0.9 * size), plain.batch_size)
    epochs = max(plain.epochs, math.ceil(STEPS / steps)) * (longer if start == "long" else 1)
    settings = [f"epochs={epochs}"]
    if start == "learned":
        settings.append(f"optimizer.lr={plain.optimizer.lr / 5}")
    return with_settings(plain, settings)


def learn(recipe: Recipe, records: list[Record], out: Path, weights: str = "none", seed: int = 0) -> Table:
    """Train unless the run folder exists; return the predictions of its test part."""
    run = RunFolder(out)
    if not run.is_finished:
        write_manifest(out.with_suffix(".csv"), records)
        start = StartingPoint.resolve(weights)
        plan = Plan(out.with_suffix(".csv"), out, recipe, start, machine=Machine(seed=seed), resume=run.exists)
        train_model(plan, progress=print_progress)
    return read_table(run.predictions)
