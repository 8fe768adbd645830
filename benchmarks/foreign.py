"""Images without a head on MRI: one half sets the OOD threshold, the other half tests it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.datasets import notumor_by_eye
from gadolin.recipe import named_recipe
from gadolin.training.augmentation import transforms

VIEWS = 8  # augmented copies of each image


def halves(other: Path) -> tuple[list[Path], list[Path]]:
    """Return the images that set the threshold and those that test it: alternate files of each folder of ``other``."""
    folders = [sorted(each for each in folder.iterdir() if each.is_file()) for folder in sorted(other.iterdir())]
    first, second = ([path for paths in folders for path in paths[start::2]] for start in (0, 1))
    return first, second


def ct_of_notumor(data: Path) -> list[Path]:
    """Return the images of Kaggle's notumor that are CT."""
    return [data / "kaggle" / row["picture"] for row in notumor_by_eye() if row["seen"] == "CT"]


def with_views(prepared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return prepared images (N, H, H) uint8, their mirror images, and augmented copies by the recipe ``hardened``."""
    scaled = torch.from_numpy(prepared).float().unsqueeze(1) / 255
    made = [prepared, prepared[:, :, ::-1], prepared[:, ::-1]]
    for seed in range(VIEWS):
        drawn = transforms.draw(len(scaled), named_recipe("hardened").augmentation, torch.Generator().manual_seed(seed))
        made.append((255 * transforms.apply(scaled, drawn)).round().to(torch.uint8).squeeze(1).numpy())
    return np.concatenate(made)
