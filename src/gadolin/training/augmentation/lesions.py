"""Lesions moved from slice to slice, so that what tells the classes is the lesion and not the scanner.

A slice without a lesion gets that of another, and is then of that one's class (cut and paste: Dwibedi, Misra and
Hebert, ICCV 2017); a lesion is covered with the tissue of another slice, and its slice may then be of any class: as
outlines leave out oedema and displaced tissue, it does not count as one without a lesion.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from gadolin.recipe import Augmentation
from gadolin.training.augmentation.transforms import TISSUE

__all__ = ["Exchange", "draw_exchange", "exchange"]

_RIM = 0.02  # of the side: how far around a lesion tissue is compared, and a covered one is covered
_BRIGHTEST = 2.0  # a tone is at most doubled or halved to fit in
_WITHIN = 0.9  # of a lesion must come to lie on tissue


class Exchange(NamedTuple):
    """Which of N slices are changed (N,) bool, without a lesion those of ``pasted``, and from which each would take.

    ``filled`` (N,) bool are those where nothing is taken: a place is filled from around it, smoothly, and where that is
    ``elsewhere`` (N,) bool the place is not the slice's own lesion, but where the other one's would be.
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
    """Return slices, lesions and classes after the exchange that was drawn, as far as it can be done.

    ``scaled`` (N, 1, s, s) float32 in [0, 1]; ``lesion`` (N, 1, h, h) float32 in [0, 1] how much of each place is
    lesion, below 0 where unknown; ``targets`` (N, K) float32, one class each, returned even where it may be any;
    ``healthy`` (N,) bool which slices are known to show no lesion. A slice is left as it is where its partner's lesion
    is unknown, where neither shows one or both at one place, and where a pasted lesion would not lie on tissue. A place
    filled ``elsewhere`` changes neither lesion nor class, so that a smooth place alone says nothing.
    """
    chosen, pasted, partner, filled, elsewhere = (each.to(scaled.device) for each in drawn)
    chosen = torch.where(healthy, pasted, chosen)
    large = F.interpolate(lesion.clamp(min=0), scaled.shape[2:], mode="bilinear")
    known = (lesion.amin(dim=(1, 2, 3)) >= 0) & chosen & (lesion[partner].amin(dim=(1, 2, 3)) >= 0)
    there = large.amax(dim=(1, 2, 3)) > 0.5
    wide = _widened(large)
    apart = known & ~_meet(wide, wide[partner])
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
    """Return slices (N, 1, s, s) whose places under ``patch`` are blended from around them.

    Known pixels are averaged into ever coarser maps, and unknown ones read from the finest that knows them (pull and
    push: Gortler et al., "The Lumigraph", SIGGRAPH 1996).
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


def _meet(one: Tensor, other: Tensor) -> Tensor:
    """Return (N,) bool: whether two widened lesions (N, 1, s, s) of a pair lie on one another."""
    return (one * other).amax(dim=(1, 2, 3)) > 0.1


def _on_tissue(scaled: Tensor, lesion: Tensor) -> Tensor:
    """Return (N,) bool: whether a lesion would come to lie on tissue."""
    tissue = (_smooth(scaled, scaled.shape[-1]) > TISSUE).float()
    covered = (tissue * lesion).sum(dim=(1, 2, 3))
    return covered > _WITHIN * lesion.sum(dim=(1, 2, 3)).clamp(min=1)


def _patched(scaled: Tensor, other: Tensor, patch: Tensor) -> Tensor:
    """Return slices with the other's tissue where ``patch`` (N, 1, s, s) is, in the tones of what is around."""
    side = scaled.shape[-1]
    rim = (_widened(patch) - patch).clamp(min=0)
    weight = rim.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    here, there = ((each * rim).sum(dim=(1, 2, 3), keepdim=True) / weight for each in (scaled, other))
    factor = ((here + 0.02) / (there + 0.02)).clamp(1 / _BRIGHTEST, _BRIGHTEST)
    soft = _smooth(patch, side)
    return torch.where(soft > 0, scaled * (1 - soft) + (other * factor).clamp(0, 1) * soft, scaled)


def _widened(lesion: Tensor) -> Tensor:
    reach = max(1, round(_RIM * lesion.shape[-1]))
    across = F.max_pool2d(lesion, (1, 2 * reach + 1), 1, (0, reach))  # one way after the other is faster
    return F.max_pool2d(across, (2 * reach + 1, 1), 1, (reach, 0))


def _smooth(maps: Tensor, side: int) -> Tensor:
    reach = max(1, round(_RIM * side / 3))
    return F.avg_pool2d(maps, 2 * reach + 1, 1, reach)
