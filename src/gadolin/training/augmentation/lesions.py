"""Lesions exchanged between slices, so that the network classifies by the lesion and not by the scanner.

Pasting: a slice without a lesion gets that of another slice, and its class (cut and paste: Dwibedi, Misra and Hebert,
ICCV 2017). Removal: a lesion is covered with the tissue of another slice; the target is then uniform over all classes,
because outlines exclude oedema and displaced tissue, so the slice does not count as one without a lesion.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gadolin.recipe import Augmentation
from gadolin.training.augmentation.transforms import TISSUE

__all__ = ["Exchange", "draw_exchange", "exchange"]

_RIM = 0.02  # of the side: margin around a lesion in which tissue is compared, and which is covered with it
_BRIGHTEST = 2.0  # intensities are at most doubled or halved to match
_WITHIN = 0.9  # fraction of a pasted lesion that must be on tissue


class Exchange(NamedTuple):
    """The drawn exchange of N slices; all fields are (N,).

    ``chosen`` bool: remove the lesion, if there is one; ``pasted`` bool: paste one, if there is none; ``partner``
    int64: the slice to take from. ``filled`` bool: inpaint from the surroundings instead of taking tissue; with
    ``elsewhere`` bool, inpaint the region of the partner's lesion instead of the slice's lesion.
    """

    chosen: Tensor
    pasted: Tensor
    partner: Tensor
    filled: Tensor
    elsewhere: Tensor


def draw_exchange(count: int, config: Augmentation, generator: Generator) -> Exchange:
    """Draw for ``count`` slices with the probabilities of ``config``."""

    def coin(probability: float) -> Tensor:
        return torch.rand(count, generator=generator) < probability

    partner = torch.randperm(count, generator=generator)
    return Exchange(
        coin(config.p_lesion_removal), coin(config.p_lesion_paste), partner, coin(config.p_inpaint), coin(0.5)
    )


def exchange(
    scaled: Tensor, lesion: Tensor, targets: Tensor, healthy: Tensor, drawn: Exchange
) -> tuple[Tensor, Tensor, Tensor]:
    """Return slices, lesion maps and targets after the drawn exchange, where it is possible.

    ``scaled`` (N, 1, s, s) float32 in [0, 1]; ``lesion`` (N, 1, h, h) float32 in [0, 1], the lesion coverage of each
    location, below 0 if unknown; ``targets`` (N, K) float32, one class each, uniform after a removal; ``healthy`` (N,)
    bool, known to show no lesion. A slice is unchanged if its partner's lesion is unknown, if neither has a lesion or
    the two overlap, or if a pasted lesion would not be on tissue. Inpainting ``elsewhere`` changes neither lesion map
    nor target, so that a smooth region carries no information.
    """
    chosen, pasted, partner, filled, elsewhere = (each.to(scaled.device) for each in drawn)
    chosen = torch.where(healthy, pasted, chosen)
    large = F.interpolate(lesion.clamp(min=0), scaled.shape[2:], mode="bilinear")
    known = (lesion.amin(dim=(1, 2, 3)) >= 0) & chosen & (lesion[partner].amin(dim=(1, 2, 3)) >= 0)
    there = large.amax(dim=(1, 2, 3)) > 0.5
    wide = _dilated(large)
    apart = known & ~_overlap(wide, wide[partner])
    away = apart & filled & there[partner] & elsewhere
    covers = apart & there & ~away
    pastes = known & healthy & there[partner] & ~away & _on_tissue(scaled, large[partner])
    patch = torch.where(pastes.view(-1, 1, 1, 1), large[partner], wide)
    patch = torch.where(away.view(-1, 1, 1, 1), wide[partner], patch)
    patch = torch.where((covers | pastes | away).view(-1, 1, 1, 1), patch, 0.0)
    smooth = away | (covers & filled)
    changed = _patched(scaled, scaled[partner], torch.where(smooth.view(-1, 1, 1, 1), 0.0, patch))
    if bool(smooth.any()):
        changed[smooth] = _filled(scaled[smooth], patch[smooth])
    lesion = torch.where(pastes.view(-1, 1, 1, 1), lesion[partner], lesion)
    lesion = torch.where(covers.view(-1, 1, 1, 1), 0.0, lesion)
    now = torch.where(pastes.view(-1, 1), targets[partner], targets)
    return changed, lesion, torch.where(covers.view(-1, 1), 1 / targets.shape[1], now)


def _filled(scaled: Tensor, patch: Tensor) -> Tensor:
    """Return slices (N, 1, s, s) with the region ``patch`` inpainted from its surroundings.

    Known pixels are averaged into a pyramid; unknown ones are read from its finest level with a value (pull and push:
    Gortler et al., "The Lumigraph", SIGGRAPH 1996).
    """
    weight = 1 - patch
    sums, weights = [scaled * weight], [weight]
    while sums[-1].shape[-1] > 1:
        sums.append(F.avg_pool2d(sums[-1], 2, ceil_mode=True))
        weights.append(F.avg_pool2d(weights[-1], 2, ceil_mode=True))
    filled = sums[-1] / weights[-1].clamp(min=1e-6)
    for total, known in zip(sums[-2::-1], weights[-2::-1], strict=True):
        coarse = F.interpolate(filled, total.shape[2:], mode="bilinear", align_corners=False)
        filled = total + (1 - known).clamp(min=0) * coarse
    return filled


def _overlap(one: Tensor, other: Tensor) -> Tensor:
    """Return (N,) bool: whether the two dilated lesions (N, 1, s, s) of a pair overlap."""
    return (one * other).amax(dim=(1, 2, 3)) > 0.1


def _on_tissue(scaled: Tensor, lesion: Tensor) -> Tensor:
    """Return (N,) bool: whether a pasted lesion would be on tissue."""
    tissue = (_smooth(scaled, scaled.shape[-1]) > TISSUE).float()
    covered = (tissue * lesion).sum(dim=(1, 2, 3))
    return covered > _WITHIN * lesion.sum(dim=(1, 2, 3)).clamp(min=1)


def _patched(scaled: Tensor, other: Tensor, patch: Tensor) -> Tensor:
    """Return slices with the other's tissue in the region ``patch`` (N, 1, s, s), its intensity matched."""
    side = scaled.shape[-1]
    rim = (_dilated(patch) - patch).clamp(min=0)
    weight = rim.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    here, there = ((each * rim).sum(dim=(1, 2, 3), keepdim=True) / weight for each in (scaled, other))
    factor = ((here + 0.02) / (there + 0.02)).clamp(1 / _BRIGHTEST, _BRIGHTEST)
    soft = _smooth(patch, side)
    return torch.where(soft > 0, scaled * (1 - soft) + (other * factor).clamp(0, 1) * soft, scaled)


def _dilated(lesion: Tensor) -> Tensor:
    reach = max(1, round(_RIM * lesion.shape[-1]))
    across = F.max_pool2d(lesion, (1, 2 * reach + 1), 1, (0, reach))  # separable: one axis after the other is faster
    return F.max_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0))


def _smooth(maps: Tensor, side: int) -> Tensor:
    reach = max(1, round(_RIM * side / 3))
    return F.avg_pool2d(maps, 2 * reach + 1, 1, reach)
