"""Looks that slices of a batch exchange, so that no scanner's look means a class.

The look of a picture is the amplitude of its low frequencies; what it shows stays in the phases (Yang and Soatto, "FDA:
Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020; mixed in part, as Xu et al., "A Fourier-based Framework
for Domain Generalization", CVPR 2021).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["Styles", "draw_styles", "mix_styles"]

_BAND = 0.03  # of the frequencies, from the lowest, that make up the look


class Styles(NamedTuple):
    """For N slices the slice whose look each gets, ``partner`` (N,) int64, and how much of it, ``share`` (N,)."""

    partner: Tensor
    share: Tensor


def draw_styles(count: int, probability: float, generator: Generator) -> Styles:
    """Draw for ``count`` slices; each gets with ``probability`` a share of up to 1 of another's look."""
    partner = torch.randperm(count, generator=generator)
    share = torch.rand(count, generator=generator)
    return Styles(partner, torch.where(torch.rand(count, generator=generator) < probability, share, 0.0))


def mix_styles(scaled: Tensor, drawn: Styles) -> Tensor:
    """Return slices (N, 1, s, s) in [0, 1] with the looks that were drawn."""
    if not bool((drawn.share > 0).any()):
        return scaled
    spectrum = torch.fft.rfft2(scaled.float())
    amplitude = spectrum.abs()
    side = scaled.shape[-1]
    reach = max(1, round(_BAND * side))
    low = torch.zeros_like(amplitude)
    low[..., :reach, :reach] = 1
    low[..., -reach + 1 or None :, :reach] = 1 if reach > 1 else 0
    weight = low * drawn.share.to(scaled.device).view(-1, 1, 1, 1)
    mixed = amplitude + weight * (amplitude[drawn.partner.to(scaled.device)] - amplitude)
    out = torch.fft.irfft2(spectrum * (mixed / amplitude.clamp(min=1e-8)), s=scaled.shape[-2:])
    return torch.where(weight.amax(dim=(1, 2, 3), keepdim=True) > 0, out.clamp(0, 1), scaled)
