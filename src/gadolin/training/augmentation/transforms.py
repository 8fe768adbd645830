"""Geometric and intensity augmentation; parameters are drawn for a batch first and then applied deterministically.

Works on scaled slices (N, 1, s, s) float32 in [0, 1] on any device. See ``lesions.py`` for exchanged lesions,
``corruptions.py`` for artefacts.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gadolin.recipe import Augmentation

__all__ = ["TISSUE", "Draw", "apply", "draw", "mix", "move"]

TISSUE = 0.06
"""The intensity, in [0, 1], below which a pixel of a scaled slice is air."""

_CONTROL = 4
_TONES = (0.15, 0.55)  # mean intensity of tissue, from dark to bright renderings
_STEEPEST = 3.0


@dataclass(frozen=True, slots=True)
class Draw:
    """The drawn parameters of N samples.

    ``matrix`` (N, 2, 3) maps output to input coordinates in [-1, 1]; ``displacement`` (N, 2, 4, 4) is the elastic
    field in the same units; ``tone`` (new mean of tissue, 0 to keep it), ``gamma``, ``contrast``, ``blur`` (standard
    deviation in pixels, 0 for none) and ``noise`` (standard deviation) are (N,); ``noise_seed`` makes the noise
    repeatable. None if a step is off.
    """

    matrix: Tensor | None
    displacement: Tensor | None
    tone: Tensor | None
    gamma: Tensor | None
    contrast: Tensor | None
    noise: Tensor | None
    blur: Tensor | None
    noise_seed: int


def draw(count: int, config: Augmentation, generator: Generator) -> Draw:
    """Draw the parameters for ``count`` samples; a configuration of zeros draws the identity."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.rand(count, generator=generator) * (high - low) + low

    spatial = (config.rotate_degrees, config.shift, config.zoom, config.shear, config.flip)
    blurred = uniform(0, 1) < config.blur
    sigma = uniform(0.4, 1.2)
    strength = uniform(0, config.elastic).view(-1, 1, 1, 1)
    field = torch.randn(count, 2, _CONTROL, _CONTROL, generator=generator) * strength
    gamma = torch.exp(uniform(-1, 1) * math.log(config.gamma))
    drawn = Draw(
        matrix=_matrices(config, uniform) if any(spatial) else None,
        displacement=field if config.elastic else None,
        tone=None,
        gamma=gamma if config.gamma > 1 else None,
        contrast=1 + uniform(-config.contrast, config.contrast) if config.contrast else None,
        noise=uniform(0, config.noise) if config.noise else None,
        blur=torch.where(blurred, sigma, 0.0) if config.blur else None,
        noise_seed=int(torch.randint(2**31, (), generator=generator)),
    )
    tone = torch.where(
        uniform(0, 1) < config.tone, uniform(*_TONES), 0.0
    )  # drawn last, so that it does not change the other draws
    return replace(drawn, tone=tone) if config.tone else drawn


def apply(scaled: Tensor, drawn: Draw) -> Tensor:
    """Return the slices (N, 1, s, s) in [0, 1] changed by ``drawn``; pixels from outside are black."""
    out = move(scaled, drawn)
    if drawn.blur is not None and bool((drawn.blur > 0).any()):
        chosen = drawn.blur > 0
        out = out.clone() if out is scaled else out
        out[chosen] = _blurred(out[chosen], drawn.blur[chosen].to(out))
    if drawn.tone is not None:
        out = _toned(out, _wide(drawn.tone, out))
    if drawn.gamma is not None:
        out = out.clamp(min=0) ** _wide(drawn.gamma, out)
    if drawn.contrast is not None:
        middle = out.mean(dim=(1, 2, 3), keepdim=True)
        out = (out - middle) * _wide(drawn.contrast, out) + middle
    if drawn.noise is not None:
        source = Generator(device=out.device).manual_seed(drawn.noise_seed)
        noise = torch.randn(out.shape, generator=source, device=out.device)
        out = out + noise * _wide(drawn.noise, out)
    return out.clamp(0, 1)


def mix(scaled: Tensor, targets: Tensor, alpha: float, generator: Generator) -> tuple[Tensor, Tensor]:
    """Mix each slice and its target (N, K) with those of the previous sample (mixup, Zhang et al. 2018).

    One fraction is drawn for the batch from Beta(alpha, alpha); ``alpha`` of 0 returns the input.
    """
    if not alpha:
        return scaled, targets
    first, second = torch._standard_gamma(torch.full((2,), float(alpha)), generator=generator)
    share = float(first / (first + second))
    share = max(share, 1 - share)
    return (
        share * scaled + (1 - share) * scaled.roll(1, 0),
        share * targets + (1 - share) * targets.roll(1, 0),
    )


def _matrices(config: Augmentation, uniform) -> Tensor:  # type: ignore[no-untyped-def]  # the closure of draw
    angle = uniform(-1, 1) * math.radians(config.rotate_degrees)
    shear = uniform(-config.shear, config.shear)
    across = 1 / (1 + uniform(-config.zoom, config.zoom))
    mirror = torch.where(uniform(0, 1) < config.flip, -1.0, 1.0)
    right, down = (2 * uniform(-config.shift, config.shift) for _ in range(2))
    cos, sin = torch.cos(angle), torch.sin(angle)
    first = torch.stack([cos * across * mirror, (shear * cos - sin) * across, right], dim=1)
    second = torch.stack([sin * across * mirror, (shear * sin + cos) * across, down], dim=1)
    return torch.stack([first, second], dim=1)


def move(scaled: Tensor, drawn: Draw) -> Tensor:
    """Return pictures (N, 1, h, w) of any size moved by ``drawn``; pixels from outside are 0."""
    if drawn.matrix is None and drawn.displacement is None:
        return scaled
    count, _, height, width = scaled.shape
    matrix = drawn.matrix if drawn.matrix is not None else torch.eye(2, 3).repeat(count, 1, 1)
    across, down = (torch.linspace(1 / n - 1, 1 - 1 / n, _CONTROL) for n in (width, height))
    points = torch.stack([across.repeat(_CONTROL), down.repeat_interleave(_CONTROL), torch.ones(_CONTROL**2)])
    control = (matrix.cpu() @ points).view(count, 2, _CONTROL, _CONTROL)
    if drawn.displacement is not None:
        control = control + 2 * drawn.displacement
    # An affine map is linear, so interpolating it between the control points gives it exactly.
    grid = F.interpolate(control.to(scaled), (height, width), mode="bilinear", align_corners=True)
    return F.grid_sample(scaled, grid.permute(0, 2, 3, 1), mode="bilinear", padding_mode="zeros", align_corners=False)


def _blurred(scaled: Tensor, sigma: Tensor) -> Tensor:
    offsets = torch.arange(-2, 3, device=scaled.device, dtype=scaled.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma.clamp(min=1e-3).view(-1, 1)) ** 2)
    weights = weights / weights.sum(dim=1, keepdim=True)
    count = len(scaled)
    rows = scaled.transpose(0, 1)
    rows = F.conv2d(rows, weights.view(count, 1, 5, 1), padding=(2, 0), groups=count)
    rows = F.conv2d(rows, weights.view(count, 1, 1, 5), padding=(0, 2), groups=count)
    return rows.transpose(0, 1)


def _toned(scaled: Tensor, tone: Tensor) -> Tensor:
    """Return slices with a power applied to the intensity, so that the mean of their tissue approaches ``tone``."""
    tissue = (scaled > TISSUE).to(scaled)
    mean = (scaled * tissue).sum(dim=(1, 2, 3), keepdim=True) / tissue.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    power = tone.clamp(min=1e-3).log() / mean.clamp(0.02, 0.98).log()
    return torch.where(tone > 0, scaled.clamp(min=0) ** power.clamp(1 / _STEEPEST, _STEEPEST), scaled)


def _wide(values: Tensor, like: Tensor) -> Tensor:
    return values.to(like).view(-1, 1, 1, 1)
