"""From a map of features to logits, pooled features, and the evidence for each class at each place."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gadolin.network.spread import BatchDropout

__all__ = ["DenseHead", "Head", "LinearHead", "OutlineHead"]


class Head(nn.Module):
    """What a head has: the backbone's levels that it looks at (-1 is the last map), and its last linear layer."""

    levels: tuple[int, ...] = (-1,)
    linear: nn.Linear


class LinearHead(Head):
    """Average pooling, dropout, one linear layer: the logits are the mean of the evidence plus a bias.

    The evidence is the class activation map (Zhou et al. 2016).
    """

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = BatchDropout(dropout)
        self.linear = nn.Linear(features, classes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of maps (N, F, h, w)."""
        pooled = maps.mean(dim=(2, 3))
        evidence = torch.einsum("nfhw,kf->nkhw", maps, self.linear.weight)
        return self.linear(self.dropout(pooled)), pooled, evidence


class DenseHead(Head):
    """The founding head: average pooling, a dense layer with ReLU, dropout, the classes.

    It is not linear; its evidence weighs each feature by the exact gradient of the class at this slice
    (Grad-CAM, Selvaraju et al. 2017, without its ReLU), written out so that it is part of the graph.
    """

    def __init__(self, features: int, classes: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(features, hidden)
        self.dropout = BatchDropout(dropout)
        self.linear = nn.Linear(hidden, classes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of maps (N, F, h, w)."""
        pooled = maps.mean(dim=(2, 3))
        hidden = torch.relu(self.dense(pooled))
        gate = (hidden > 0).to(maps.dtype)
        weights = torch.einsum("kj,nj,jf->nkf", self.linear.weight, gate, self.dense.weight)
        evidence = torch.einsum("nfhw,nkf->nkhw", maps, weights)
        return self.linear(self.dropout(hidden)), pooled, evidence


class OutlineHead(Head):
    """Learns from outlines where the lesion is, and looks there: for data whose manifest names outlines.

    A feature pyramid (Lin et al. 2017) over the backbone's strides 8, 16 and 32 scores each place for every class
    and for background. The chance of a place to be lesion weighs its features before they are pooled; the last map is
    averaged as usual. The logits are linear in both, so the evidence is the computation itself: its mean over
    all places plus the bias is the logits.
    """

    levels = (-3, -2, -1)

    def __init__(self, channels: tuple[int, ...], classes: int, dropout: float, width: int = 64) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(count, width, 1) for count in channels)
        self.smooth = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )
        self.places = nn.Conv2d(width, classes + 1, 1)
        self.dropout = BatchDropout(dropout)
        self.linear = nn.Linear(width + channels[-1], classes)

    def look(self, *maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, width, h, w) and scores of the classes and background (N, K + 1, h, w) at stride 8."""
        merged = self.lateral[-1](maps[-1])
        for lateral, finer in zip(reversed(self.lateral[:-1]), reversed(maps[:-1]), strict=True):
            merged = lateral(finer) + F.interpolate(merged, scale_factor=2.0, mode="nearest")
        features = self.smooth(merged)
        return features, self.places(features)

    def answer(self, features: Tensor, places: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) from what ``look`` saw and the last map."""
        lesion = 1 - places.softmax(dim=1)[:, -1:] + 0.02
        share = lesion / lesion.mean(dim=(2, 3), keepdim=True)
        spread = F.interpolate(last, scale_factor=float(places.shape[-1] // last.shape[-1]), mode="nearest")
        both = torch.cat([features * share, spread], dim=1)
        pooled = both.mean(dim=(2, 3))
        evidence = torch.einsum("nfhw,kf->nkhw", both, self.linear.weight)
        return self.linear(self.dropout(pooled)), pooled, evidence

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of the maps at strides 8, 16 and 32."""
        return self.answer(*self.look(*maps), maps[-1])
