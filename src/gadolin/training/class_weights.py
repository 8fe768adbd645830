"""Class weights of the loss, for classes of unequal size."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["class_weights"]


def class_weights(targets: NDArray[np.int64], classes: int, balance: str) -> Tensor:
    """Return (K,) float32 loss weights: inverse class frequencies with mean 1 over slices, or ones."""
    if balance != "weights":
        return torch.ones(classes)
    counts = np.bincount(targets, minlength=classes)
    return torch.tensor(len(targets) / (classes * np.maximum(counts, 1)), dtype=torch.float32)
