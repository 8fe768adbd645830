"""Heads: from feature maps to logits, pooled features and an evidence map for each class."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DenseHead", "Head", "LinearHead", "OutlineHead"]


class Head(nn.Module):
    """Base class: the backbone levels that a head uses (-1 is the last map), and its number of classes."""

    levels: tuple[int, ...] = (-1,)
    classes: int


class LinearHead(Head):
    """Average pooling, dropout, one linear layer: the logits are the mean of the evidence plus a bias.

    The evidence is the class activation map (Zhou et al. 2016).
    """

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.classes = classes
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, classes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of maps (N, F, h, w)."""
        pooled = maps.mean(dim=(2, 3))
        evidence = torch.einsum("nfhw,kf->nkhw", maps, self.linear.weight)
        return self.linear(self.dropout(pooled)), pooled, evidence


class DenseHead(Head):
    """The head of the original design: average pooling, a dense layer with ReLU, dropout, a linear layer.

    It is not linear: its evidence weights each feature by the exact gradient of the class logit at this slice
    (Grad-CAM, Selvaraju et al. 2017, without its ReLU), computed explicitly so that it is part of the graph.
    """

    def __init__(self, features: int, classes: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.classes = classes
        self.dense = nn.Linear(features, hidden)
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(hidden, classes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of maps (N, F, h, w)."""
        pooled = maps.mean(dim=(2, 3))
        hidden = torch.relu(self.dense(pooled))
        gate = (hidden > 0).to(maps.dtype)
        weights = torch.einsum("kj,nj,jf->nkf", self.linear.weight, gate, self.dense.weight)
        evidence = torch.einsum("nfhw,nkf->nkhw", maps, weights)
        return self.linear(self.dropout(hidden)), pooled, evidence


class _Dropout(nn.Dropout):
    """Dropout with a mask drawn in axis order, so that channels-last maps lose the same elements as others."""

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` (n, ...), a fraction of them set to 0 in training."""
        if not self.training:
            return values
        return values * F.dropout(values.new_ones(values.shape), self.p, training=True)


class OutlineHead(Head):
    """Learns lesion locations from outlines and classifies by them alone; for data with outlines in the manifest.

    A light decoder (Ronneberger et al. 2015) from the backbone's stride 32 back to 4 scores each location for every
    class and for background. The evidence for a class is its score minus that of the background, and its logit is the
    soft maximum of the evidence over all locations (Pinheiro and Collobert 2015) plus a bias, so the evidence map is
    the computation itself. A class without lesions (``lesion`` (K,) is 0 there, else 1) has no evidence, and its logit
    is its bias: it is predicted if there is no evidence for the others, so no scanner's appearance can favour it.
    """

    levels = (-4, -3, -2, -1)
    lesion: Tensor

    def __init__(
        self, channels: tuple[int, ...], classes: int, dropout: float, widths: tuple[int, ...] = (48, 64, 96)
    ) -> None:
        super().__init__()
        self.classes = classes
        below = channels[-1]
        steps = []
        for width, skipped in zip(reversed(widths), reversed(channels[:-1]), strict=True):
            steps.append(_Upwards(below, skipped, width))
            below = width
        self.upwards = nn.ModuleList(steps)
        self.linear = nn.Conv2d(below, classes + 1, 1)
        self.dropout = _Dropout(dropout)
        self.softness = nn.Parameter(torch.tensor(1.0))
        self.bias = nn.Parameter(torch.zeros(classes))
        self.register_buffer("lesion", torch.ones(classes))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        state_dict.setdefault(f"{prefix}lesion", self.lesion)  # older weights lack it
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def decode(self, *maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, F, h, w) and scores of the classes and background (N, K + 1, h, w) at stride 4."""
        features = self.dropout(maps[-1])
        for step, finer in zip(self.upwards, reversed(maps[:-1]), strict=True):
            features = step(features, finer)
        return features, self.linear(features)

    def classify(self, features: Tensor, places: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F), evidence (N, K, h, w) of ``decode``'s output and the last map."""
        places = places.to(self.bias.dtype)  # bfloat16 is too coarse for a sum over all locations
        evidence = (places[:, :-1] - places[:, -1:]) * self.lesion.view(1, -1, 1, 1)
        softness = F.softplus(self.softness)
        soft = softness * (
            (evidence / softness).logsumexp(dim=(2, 3)) - math.log(evidence.shape[2] * evidence.shape[3])
        )
        weight = 1 - places.softmax(dim=1)[:, -1:] + 0.02
        pooled = (features * weight).mean(dim=(2, 3)) / weight.mean(dim=(2, 3))
        return soft * self.lesion + self.bias, torch.cat([pooled, last.mean(dim=(2, 3))], dim=1), evidence

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of the maps at strides 4 to 32."""
        return self.classify(*self.decode(*maps), maps[-1])


class _Upwards(nn.Module):
    """One step of a decoder: upsample the coarser map, concatenate the finer one, convolve."""

    def __init__(self, coarse: int, fine: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(coarse + fine, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        mixed: Tensor = self.mix(torch.cat([F.interpolate(coarse, scale_factor=2.0, mode="nearest"), fine], dim=1))
        return mixed
