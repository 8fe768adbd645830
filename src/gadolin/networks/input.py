"""The network's input layer: scales prepared slices and normalises them for the backbone."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["InputLayer", "area_matrix"]


class InputLayer(nn.Module):
    """Shrink prepared slices to the network's input size, then apply the backbone's mean and standard deviation.

    Augmentation happens between the two steps, so they are two methods.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, size: int, mean: tuple[float, ...], std: tuple[float, ...]) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def scale(self, prepared: Tensor, size: int | None = None) -> Tensor:
        """Return (N, 1, size, size) float32 in [0, 1] from prepared slices (N, H, H) uint8, by area averaging."""
        pixels = prepared.to(self.mean.dtype) / 255
        size = size or self.size
        if size != pixels.shape[-1]:
            matrix = area_matrix(pixels.shape[-1], size).to(pixels)
            pixels = matrix @ (pixels @ matrix.T)
        return pixels.unsqueeze(1)

    def normalise(self, scaled: Tensor) -> Tensor:
        """Return (N, C, size, size): the grey channel, standardised for each of the backbone's C channels."""
        return (scaled - self.mean) / self.std


def area_matrix(wide: int, narrow: int) -> Tensor:
    """Return the (narrow, wide) float32 matrix that averages ``wide`` samples into ``narrow`` equal areas."""
    edges = torch.arange(narrow + 1, dtype=torch.float64) * (wide / narrow)
    left, right = edges[:-1, None], edges[1:, None]
    start = torch.arange(wide, dtype=torch.float64)[None]
    overlap = (torch.minimum(right, start + 1) - torch.maximum(left, start)).clamp(min=0)
    return (overlap / (right - left)).float()
