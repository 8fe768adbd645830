"""Synthetic lesions of no known kind, so that the network does not assign every abnormality to a known kind.

Outlier exposure reduces overconfidence on unknown inputs (Hendrycks, Mazeika and Dietterich, "Deep Anomaly Detection
with Outlier Exposure", ICLR 2019). The region counts as lesion, with equal probability of every kind.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gadolin.training.augmentation.transforms import TISSUE

__all__ = ["Foreign", "draw_foreign", "paint_foreign"]

_WAVES = 4  # of an outline
_SMALLEST, _LARGEST = 0.04, 0.14  # radius, of the side
_COARSEST = 12  # cells of texture along the side


class Foreign(NamedTuple):
    """The drawn parameters of the lesions of N slices.

    ``chosen`` (N,) bool marks the slices that get a lesion. ``centre`` (N, 2) is its row and column in [0, 1],
    ``radius`` (N,) a fraction of the side, ``waves`` (N, 4, 2) are amplitude and phase of the waves of its outline,
    ``tone`` (N,) in [0, 1] is its intensity and ``texture`` (N, 1, 12, 12) the deviation from it. If ``ring`` (N,)
    bool, only its rim is drawn and the inside keeps the tissue.
    """

    chosen: Tensor
    centre: Tensor
    radius: Tensor
    waves: Tensor
    tone: Tensor
    texture: Tensor
    ring: Tensor


def draw_foreign(count: int, probability: float, generator: Generator) -> Foreign:
    """Draw for ``count`` slices."""

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    return Foreign(
        chosen=uniform(0, 1) < probability,
        centre=uniform(0.2, 0.8, 2),
        radius=uniform(_SMALLEST, _LARGEST),
        waves=torch.randn(count, _WAVES, 2, generator=generator) * 0.12,
        tone=uniform(0, 1),
        texture=torch.randn(count, 1, _COARSEST, _COARSEST, generator=generator) * uniform(0, 0.25).view(-1, 1, 1, 1),
        ring=uniform(0, 1) < 0.3,
    )


def paint_foreign(
    scaled: Tensor, lesion: Tensor, targets: Tensor, healthy: Tensor, kinds: Tensor, drawn: Foreign
) -> tuple[Tensor, Tensor, Tensor]:
    """Return slices, lesion maps and targets with the drawn lesions, where these are on tissue.

    ``scaled`` (N, 1, s, s) float32 in [0, 1], ``lesion`` (N, 1, h, h) float32 in [0, 1], below 0 if unknown,
    ``targets`` (N, K) float32. Only ``healthy`` (N,) bool slices, known to show no lesion, get one; their target is
    then uniform over ``kinds`` (K,).
    """
    device, side = scaled.device, scaled.shape[-1]
    shape = _shapes(drawn, side).to(device)
    tissue = (scaled > TISSUE).float()
    on_tissue = (tissue * shape).sum(dim=(1, 2, 3)) > 0.9 * shape.sum(dim=(1, 2, 3))
    painted = drawn.chosen.to(device) & healthy & on_tissue
    if not bool(painted.any()):
        return scaled, lesion, targets
    texture = F.interpolate(drawn.texture, (side, side), mode="bicubic", align_corners=False).to(scaled)
    tone = (drawn.tone.to(scaled).view(-1, 1, 1, 1) + texture).clamp(0, 1)
    soft = F.avg_pool2d(shape, 3, 1, 1)
    inner = F.avg_pool2d((F.avg_pool2d(shape, 9, 1, 4) > 0.95).float(), 3, 1, 1)
    weight = torch.where(drawn.ring.to(device).view(-1, 1, 1, 1), soft - inner, soft).clamp(0, 1)
    where = painted.view(-1, 1, 1, 1)
    changed = torch.where(where, scaled * (1 - weight) + tone * weight, scaled)
    small = F.adaptive_avg_pool2d(shape, lesion.shape[-1])
    lesion = torch.where(where, small, lesion)
    return changed, lesion, torch.where(painted.view(-1, 1), kinds / kinds.sum(), targets)


def _shapes(drawn: Foreign, side: int) -> Tensor:
    """Return masks (N, 1, s, s) float32 of closed outlines with a wavy radius."""
    places = (torch.arange(side) + 0.5) / side
    down = places.view(1, -1, 1) - drawn.centre[:, 0].view(-1, 1, 1)
    across = places.view(1, 1, -1) - drawn.centre[:, 1].view(-1, 1, 1)
    angle, distance = torch.atan2(down, across), torch.hypot(down, across)
    radius = torch.ones_like(angle)
    for number in range(_WAVES):
        phase = (number + 2) * angle + math.pi * drawn.waves[:, number, 1].view(-1, 1, 1)
        radius = radius + drawn.waves[:, number, 0].view(-1, 1, 1) * torch.cos(phase)
    return (distance < drawn.radius.view(-1, 1, 1) * radius.clamp(min=0.3)).float().unsqueeze(1)
