"""Fit a few recipes and write histories and weights, in each process: alone or under torchrun.

At exit each process of a group writes whether it has left the group. Usage: shared_fits.py FOLDER.
"""

from __future__ import annotations

import atexit
import os
import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from gadolin.networks import build_classifier
from gadolin.preprocessing.outlines import Outlines
from gadolin.recipe import Augmentation, Network, Optimizer, Recipe
from gadolin.training.batches import Examples
from gadolin.training.fit import fit
from gadolin.training.machine import Machine

PLAIN = Network(input_size=64, evidence="map", dropout=0)
RECIPES = {
    "plain": {"network": PLAIN, "label_smoothing": 0.1, "ema_decay": 0.9},  # nothing random: same result as one process
    "augmented": {"augmentation": Augmentation(rotate_degrees=20, noise=0.1, mixup=0.5), "balance": "sampler"},
    "accumulated": {"ema_decay": 0.9},
    "outlines": {
        "augmentation": Augmentation(blur=0.5, p_lesion_removal=0.3, p_lesion_paste=0.3, p_inpaint=0.5),
        "network": Network(input_size=64, evidence="outlines", dropout=0.5),
    },
    "timm": {"epochs": 1, "network": Network(backbone="tf_efficientnet_lite0", input_size=64, evidence="map")},
    "uneven": {"batch_size": 64},  # the training part is one batch of odd size
}
ACCUMULATE = {"accumulated": 2}
COUNTS = {"uneven": 23}


def squares(count, seed):
    """Make an easy task: class 1 has a bright square, most with an outline."""
    chance = np.random.default_rng(seed)
    slices = chance.integers(0, 60, (count, 64, 64), dtype=np.uint8)
    targets = np.arange(count, dtype=np.int64) % 2
    slices[targets == 1, 16:48, 16:48] += 150
    coverage = np.zeros((count, 64, 64), np.uint8)
    coverage[targets == 1, 16:48, 16:48] = 255
    return Examples(slices, np.arange(count, dtype=np.int64), targets, Outlines(coverage, np.arange(count) % 3 > 0))


def tell(folder):
    rank = os.environ.get("RANK")
    if rank is not None:
        (folder / f"left-{rank}").write_text(str(not torch.distributed.is_initialized()))


def main(folder):
    atexit.register(tell, folder)  # registered before the first fit, so that it runs after the handlers of fit
    torch.set_num_threads(1)
    for name, fields in RECIPES.items():
        usual = {
            "epochs": 3,
            "batch_size": 8,
            "network": Network(input_size=64, evidence="map", dropout=0.5),
            "optimizer": Optimizer(lr=1e-3, warmup_epochs=0),
        }
        recipe = Recipe(name, **{**usual, **fields})
        run = folder / name
        run.mkdir(parents=True, exist_ok=True)
        torch.manual_seed(0)
        network = build_classifier(recipe.network, 2)
        parts = (squares(COUNTS.get(name, 32), 0), squares(70, 1))
        machine = Machine("cpu", "float32", 3, accumulate=ACCUMULATE.get(name, 1))
        state = fit(network, recipe, parts, machine=machine, run=run)
        assert not [each for each in network.modules() if type(each).__name__.startswith("Global")]
        weights = {key: tensor.contiguous() for key, tensor in state.network.items()}
        save_file(weights, run / f"network-{os.environ.get('RANK', 0)}.safetensors")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
