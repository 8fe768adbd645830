"""Simulated artefacts of scanners, screens and users: bias fields, burnt-in marks, inverted intensities.

Parameters are drawn for a whole batch first and then applied deterministically, to slices (N, 1, s, s) float32 in
[0, 1] on any device.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gadolin.recipe import Corruptions
from gadolin.training.augmentation.transforms import TISSUE

__all__ = ["CorruptionDraw", "corrupt", "draw_corruptions"]

_COARSE = 3
_LINES, _SIGNS = 5, 6  # at most, of text
_BARS = _LINES * _SIGNS  # for each slice with marks: lines of text, or a frame of four bars
_FRAMED = 0.4  # fraction of the slices with marks
_REACH = 0.02  # of the side: radius in which a pixel of the head has tissue


class CorruptionDraw(NamedTuple):
    """The drawn parameters of N slices.

    ``light`` (N, 1, 3, 3) is the logarithm of a smooth bias field; ``bars`` (N, 30, 5) are left, top, right, bottom in
    [0, 1] of the side and a tone, empty if right is not above left; ``turned`` (N,) bool marks the slices to invert,
    ``ground`` (N,) bool those of them whose background is inverted too.
    """

    light: Tensor
    bars: Tensor
    turned: Tensor
    ground: Tensor


def draw_corruptions(count: int, config: Corruptions, generator: Generator) -> CorruptionDraw:
    """Draw the parameters for ``count`` slices; a configuration of zeros changes nothing."""

    def uniform(*shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator)

    light = (2 * uniform(1, _COARSE, _COARSE) - 1) * (config.bias * uniform(1, 1, 1))
    framed = uniform(1, 1) < _FRAMED
    bars = torch.where(framed, _frames(uniform), _lines(uniform))
    bars = torch.where(uniform(1, 1) < config.marks, bars, 0.0)
    return CorruptionDraw(light, bars, uniform() < config.invert, uniform() < 0.5)


def corrupt(scaled: Tensor, drawn: CorruptionDraw) -> Tensor:
    """Return slices (N, 1, s, s) in [0, 1] with the drawn bias fields, marks and inversions."""
    side = scaled.shape[-1]
    field = F.interpolate(drawn.light.to(scaled), (side, side), mode="bicubic", align_corners=True)
    out = (scaled * field.exp()).clamp(0, 1)
    marked = (drawn.bars[:, :, 2] > drawn.bars[:, :, 0]).any(dim=1)
    if bool(marked.any()):
        out[marked.to(out.device)] = _marked(out[marked.to(out.device)], drawn.bars[marked].to(out))
    turned, ground = (each.to(scaled.device) for each in (drawn.turned, drawn.ground))
    if bool(turned.any()):
        out[turned] = _turned(out[turned], ground[turned])
    return out


def _turned(scaled: Tensor, ground: Tensor) -> Tensor:
    reach = max(1, round(_REACH * scaled.shape[-1]))
    head = F.avg_pool2d(scaled, 2 * reach + 1, 1, reach) > TISSUE
    return torch.where(head | ground.view(-1, 1, 1, 1), 1 - scaled, scaled)


def _marked(scaled: Tensor, bars: Tensor) -> Tensor:
    side = scaled.shape[-1]
    places = (torch.arange(side, device=scaled.device) + 0.5) / side
    across, down = places.view(1, 1, 1, -1), places.view(1, 1, -1, 1)
    for bar in bars.unbind(1):
        left, top, right, bottom, tone = (part.view(-1, 1, 1, 1) for part in bar.unbind(1))
        within = (across >= left) & (across < right) & (down >= top) & (down < bottom)
        scaled = torch.where(within, tone, scaled)
    return scaled


def _frames(uniform) -> Tensor:  # type: ignore[no-untyped-def]  # the closure of draw_corruptions
    """Return bars along the four edges, (N, 30, 5)."""
    thick = 0.01 + 0.07 * uniform(1)
    none, whole, tone = torch.zeros_like(thick), torch.ones_like(thick), uniform(1)
    edges = [
        (none, none, whole, thick),
        (none, 1 - thick, whole, whole),
        (none, none, thick, whole),
        (1 - thick, none, whole, whole),
    ]
    bars = torch.stack([torch.cat([*edge, tone], dim=1) for edge in edges], dim=1)
    return F.pad(bars, (0, 0, 0, _BARS - len(edges)))


def _lines(uniform) -> Tensor:  # type: ignore[no-untyped-def]  # the closure of draw_corruptions
    """Return one to five lines of six upright bars each, imitating text, anywhere, (N, 30, 5)."""
    high, start, top = 0.02 + 0.04 * uniform(_LINES, 1), uniform(_LINES, 1), uniform(_LINES, 1)
    pace = high * (0.6 + 0.6 * uniform(_LINES, 1))
    left = start + pace * torch.arange(_SIGNS)
    right = left + pace * (0.2 + 0.6 * uniform(_LINES, _SIGNS))
    tone = (0.6 + 0.4 * uniform(_LINES, 1)).expand_as(left)
    written = torch.arange(_LINES).view(1, -1, 1) <= _LINES * uniform(1, 1)
    right = torch.where(written, right, left)
    bars = torch.stack([left, top.expand_as(left), right, (top + high).expand_as(left), tone], dim=3)
    return bars.flatten(1, 2)
