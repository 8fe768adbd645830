"""Lesions moved from slice to slice, so that what tells the classes is the lesion and not the scanner.

A slice without a lesion gets that of another, and is then of that one's class; a lesion is covered with the tissue of
another slice, and its slice is then of the class without lesions (cut and paste: Dwibedi, Misra and Hebert, ICCV 2017).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

__all__ = ["Exchange", "draw_exchange", "exchange"]

_RIM = 0.02  # of the side: how far around a lesion tissue is compared, and a covered one is covered
_BRIGHTEST = 2.0  # a tone is at most doubled or halved to fit in
_TISSUE = 0.06  # in [0, 1]: what is darker is air
_WITHIN = 0.9  # of a lesion must come to lie on tissue


class Exchange(NamedTuple):
    """Which of N slices are changed (N,) bool, and from which each would take (N,) int64."""

    chosen: Tensor
    partner: Tensor


def draw_exchange(count: int, share: float, generator: Generator) -> Exchange:
    """Draw which slices are changed, each with the probability ``share``."""
    return Exchange(
        torch.rand(count, generator=generator) < share,
        torch.randperm(count, generator=generator),
    )


def exchange(
    scaled: Tensor, lesion: Tensor, wanted: Tensor, healthy: Tensor, drawn: Exchange
) -> tuple[Tensor, Tensor, Tensor]:
    """Return slices, lesions and classes after the exchange that was drawn, as far as it can be done.

    ``scaled`` (N, 1, s, s) float32 in [0, 1]; ``lesion`` (N, 1, h, h) float32 in [0, 1] how much of each place is
    lesion, below 0 where unknown; ``wanted`` (N, K) float32, one class each; ``healthy`` (N,) bool which slices are
    known to show no lesion. A slice is left as it is where its partner's lesion is unknown, where both or neither show
    one, where a pasted lesion would not lie on tissue, and where no slice of the batch is ``healthy``.
    """
    chosen, partner = drawn.chosen.to(scaled.device), drawn.partner.to(scaled.device)
    large = F.interpolate(lesion.clamp(min=0), scaled.shape[2:], mode="bilinear")
    known = (lesion.amin(dim=(1, 2, 3)) >= 0) & chosen & (lesion[partner].amin(dim=(1, 2, 3)) >= 0)
    there = large.amax(dim=(1, 2, 3)) > 0.5
    covers = known & there & _any(healthy) & ~_meet(large, large[partner])
    pastes = known & healthy & there[partner] & _on_tissue(scaled, large[partner])
    patch = torch.where(pastes.view(-1, 1, 1, 1), large[partner], _widened(large, scaled.shape[-1]))
    patch = torch.where((covers | pastes).view(-1, 1, 1, 1), patch, 0.0)
    changed = _patched(scaled, scaled[partner], patch)
    lesion = torch.where(pastes.view(-1, 1, 1, 1), lesion[partner], lesion)
    lesion = torch.where(covers.view(-1, 1, 1, 1), 0.0, lesion)
    now = torch.where(pastes.view(-1, 1), wanted[partner], wanted)
    if bool(covers.any()):
        now = torch.where(covers.view(-1, 1), wanted[healthy.nonzero()[0, 0]], now)
    return changed, lesion, now


def _any(healthy: Tensor) -> Tensor:
    return healthy.any().expand(len(healthy))


def _meet(one: Tensor, other: Tensor) -> Tensor:
    """Return (N,) bool: whether two lesions (N, 1, s, s) of a pair lie on one another, or nearly so."""
    return (_widened(one, one.shape[-1]) * _widened(other, one.shape[-1])).amax(dim=(1, 2, 3)) > 0.1


def _on_tissue(scaled: Tensor, lesion: Tensor) -> Tensor:
    """Return (N,) bool: whether a lesion would come to lie on tissue."""
    tissue = (_smooth(scaled, scaled.shape[-1]) > _TISSUE).float()
    covered = (tissue * lesion).sum(dim=(1, 2, 3))
    return covered > _WITHIN * lesion.sum(dim=(1, 2, 3)).clamp(min=1)


def _patched(scaled: Tensor, other: Tensor, patch: Tensor) -> Tensor:
    """Return slices with the other's tissue where ``patch`` (N, 1, s, s) is, in the tones of what is around."""
    side = scaled.shape[-1]
    rim = (_widened(patch, side) - patch).clamp(min=0)
    weight = rim.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    here, there = ((each * rim).sum(dim=(1, 2, 3), keepdim=True) / weight for each in (scaled, other))
    factor = ((here + 0.02) / (there + 0.02)).clamp(1 / _BRIGHTEST, _BRIGHTEST)
    soft = _smooth(patch, side)
    return torch.where(soft > 0, scaled * (1 - soft) + (other * factor).clamp(0, 1) * soft, scaled)


def _widened(lesion: Tensor, side: int) -> Tensor:
    reach = max(1, round(_RIM * side))
    return F.max_pool2d(lesion, 2 * reach + 1, 1, reach)


def _smooth(maps: Tensor, side: int) -> Tensor:
    reach = max(1, round(_RIM * side / 3))
    return F.avg_pool2d(maps, 2 * reach + 1, 1, reach)
