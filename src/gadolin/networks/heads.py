"""From a map of features to logits, pooled features, and the evidence for each class at each place."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["DenseHead", "Head", "LinearHead", "OutlineHead"]


class Head(nn.Module):
    """What a head has: the backbone's levels that it looks at (-1 is the last map), and its number of classes."""

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
    """The founding head: average pooling, a dense layer with ReLU, dropout, the classes.

    It is not linear; its evidence weighs each feature by the exact gradient of the class at this slice
    (Grad-CAM, Selvaraju et al. 2017, without its ReLU), written out so that it is part of the graph.
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
    """Dropout with a mask drawn in the order of the axes: channels-last maps lose the same elements as others."""

    def forward(self, values: Tensor) -> Tensor:
        """Return ``values`` (n, ...), with a share of them 0 in training."""
        if not self.training:
            return values
        return values * F.dropout(values.new_ones(values.shape), self.p, training=True)


class OutlineHead(Head):
    """Learns from outlines where the lesion is, and answers by that alone: for data whose manifest names outlines.

    A light decoder (Ronneberger et al. 2015) from the backbone's stride 32 back to 4 scores each place for every class
    and for background. The evidence for a class is how far its score stands above that of the background, and the
    logits are its soft maximum over all places (Pinheiro and Collobert 2015) plus a bias: the evidence is the
    computation itself. A class without lesions (``lesion`` (K,) is 0 there, else 1) has no evidence and a logit that is
    its bias: it is named where nothing speaks for the others, so that no look of a scanner can speak for it.
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
        state_dict.setdefault(f"{prefix}lesion", self.lesion)  # weights from before it was known
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def look(self, *maps: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (N, F, h, w) and scores of the classes and background (N, K + 1, h, w) at stride 4."""
        features = self.dropout(maps[-1])
        for step, finer in zip(self.upwards, reversed(maps[:-1]), strict=True):
            features = step(features, finer)
        return features, self.linear(features)

    def answer(self, features: Tensor, places: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) from what ``look`` saw and the last map."""
        places = places.to(self.bias.dtype)  # a sum over all places wants more than bfloat16
        evidence = (places[:, :-1] - places[:, -1:]) * self.lesion.view(1, -1, 1, 1)
        softness = F.softplus(self.softness)
        soft = softness * (
            (evidence / softness).logsumexp(dim=(2, 3)) - math.log(evidence.shape[2] * evidence.shape[3])
        )
        ill = 1 - places.softmax(dim=1)[:, -1:] + 0.02
        looked = (features * ill).mean(dim=(2, 3)) / ill.mean(dim=(2, 3))
        return soft * self.lesion + self.bias, torch.cat([looked, last.mean(dim=(2, 3))], dim=1), evidence

    def forward(self, *maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of the maps at strides 4 to 32."""
        return self.answer(*self.look(*maps), maps[-1])


class _Upwards(nn.Module):
    """One step of a decoder: the coarser map enlarged, beside the finer one, through a convolution."""

    def __init__(self, coarse: int, fine: int, width: int) -> None:
        super().__init__()
        self.mix = nn.Sequential(
            nn.Conv2d(coarse + fine, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU(inplace=True)
        )

    def forward(self, coarse: Tensor, fine: Tensor) -> Tensor:
        mixed: Tensor = self.mix(torch.cat([F.interpolate(coarse, scale_factor=2.0, mode="nearest"), fine], dim=1))
        return mixed
