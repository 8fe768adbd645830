"""Share of the input pipeline in training time, and the founding recipe against Keras.

    python -m benchmarks run training_input [--keras PYTHON] [--recipes default resnet50] [--write]

The training loop of each recipe (memory map, augmentation, step) alternates with the same loop on a constant tensor.
``--keras`` is the path of a Python with TensorFlow, in which the founding notebook's training (ResNet50, last 20 layers
trainable, ``ImageDataGenerator``, ``fit``) alternates with ours on the same images.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from benchmarks.publish import markdown, publish
from gadolin.networks import build_classifier
from gadolin.networks.classifier import train_mode
from gadolin.recipe import Recipe, named_recipe
from gadolin.training.batches import Examples, batches, epoch_order
from gadolin.training.epoch import Learner, make_learner
from gadolin.training.machine import Machine
from gadolin.training.step import learn, train_step

CLASSES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keras", help="a Python with TensorFlow")
    parser.add_argument("--recipes", nargs="+", default=["default", "resnet50"])
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        examples = made_examples(Path(folder), 32 * arguments.steps)
        rows = [input_row(name, examples, arguments.rounds) for name in arguments.recipes]
        lines = markdown(
            ["recipe", "real loop, slices/s", "constant tensor, slices/s", "ratio (median of pairs)"], rows
        )
        if arguments.keras:
            lines += ["", *against_keras(arguments.keras, examples, Path(folder), arguments.rounds)]
    precision = "bfloat16" if Machine().bfloat16 else "float32"
    publish("training-input", f"Training throughput ({precision})", lines, write=arguments.write)


def made_examples(folder: Path, count: int) -> Examples:
    """Return memory-mapped noise of the right shape: speed does not depend on the content."""
    chance = np.random.default_rng(0)
    path = folder / "slices.npy"
    np.save(path, chance.integers(0, 256, (count, 256, 256), dtype=np.uint8))
    targets = np.arange(count, dtype=np.int64) % CLASSES
    return Examples(np.load(path, mmap_mode="r"), np.arange(count), targets)


def made_learner(recipe: Recipe, examples: Examples) -> Learner:
    network = build_classifier(recipe.network, CLASSES)
    learner = make_learner(network, recipe, examples, fabric=Machine().fabric(), seed=0)
    train_mode(network)
    return learner


def real(learner: Learner, examples: Examples, epoch: int) -> float:
    recipe = learner.recipe
    start, seen = time.perf_counter(), 0
    order = epoch_order(examples, balance="weights", seed=0, epoch=epoch)
    for batch in batches(examples, order, recipe.batch_size):
        train_step(learner, batch, size=recipe.network.input_size, number=seen)
        seen += len(batch.targets)
    return seen / (time.perf_counter() - start)


def constant(learner: Learner, examples: Examples) -> float:
    recipe = learner.recipe
    size = recipe.network.input_size
    scaled, targets = (
        torch.rand(recipe.batch_size, 1, size, size),
        torch.eye(CLASSES)[torch.arange(recipe.batch_size) % CLASSES],
    )
    start, seen = time.perf_counter(), 0
    for number in range(len(examples) // recipe.batch_size):
        learn(learner, scaled, targets, number=number)
        seen += recipe.batch_size
    return seen / (time.perf_counter() - start)


def input_row(name: str, examples: Examples, rounds: int) -> list[str]:
    learner = made_learner(named_recipe(name), examples)
    real(learner, examples, 0)
    pairs = [(real(learner, examples, turn), constant(learner, examples)) for turn in range(rounds)]
    ours, still = (statistics.median(column) for column in zip(*pairs, strict=True))
    return [name, f"{ours:.1f}", f"{still:.1f}", f"{statistics.median(a / b for a, b in pairs):.3f}"]


def against_keras(python: str, examples: Examples, folder: Path, rounds: int) -> list[str]:
    """Time the founding recipe in alternation with Keras."""
    learner = made_learner(named_recipe("resnet50"), examples)
    real(learner, examples, 0)
    script = Path(__file__).parents[1] / "processes" / "keras_fit.py"
    pairs = []
    for turn in range(max(3, rounds // 2)):
        command = [python, str(script), str(folder / "slices.npy")]
        keras = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])
        pairs.append((real(learner, examples, turn), keras))
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(a / b for a, b in pairs)
    head = ["recipe resnet50, batch 32", "slices/s", "ratio (median of pairs)"]
    rows = [["Gadolin", f"{ours:.1f}", f"{ratio:.2f}"], ["Keras fit with ImageDataGenerator", f"{theirs:.1f}", "1"]]
    return markdown(head, rows)
