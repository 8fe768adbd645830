"""Style mixing between the slices of a batch, so that the style of a scanner does not indicate a class.

The style of a picture is the amplitude of its low frequencies; the phases keep its content (Yang and Soatto, "FDA:
Fourier Domain Adaptation for Semantic Segmentation", CVPR 2020; partial mixing: Xu et al., "A Fourier-based Framework
for Domain Generalization", CVPR 2021).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Generator, Tensor

__all__ = ["Styles", "draw_styles", "mix_styles"]

_BAND = 0.03  # fraction of the frequencies, from the lowest, that make up the style


class Styles(NamedTuple):
    """For N slices, ``partner`` (N,) int64 whose style each gets, and the fraction ``share`` (N,) of it in [0, 1]."""

    partner: Tensor
    share: Tensor


def draw_styles(count: int, probability: float, generator: Generator) -> Styles:
    """Draw for ``count`` slices; each gets with ``probability`` a random fraction of another's style."""
    partner = torch.randperm(count, generator=generator)
    share = torch.rand(count, generator=generator)
    return Styles(partner, torch.where(torch.rand(count, generator=generator) < probability, share, 0.0))


def mix_styles(scaled: Tensor, drawn: Styles) -> Tensor:
    """Return slices (N, 1, s, s) in [0, 1] with the drawn styles."""
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
