"""From a map of features to logits, pooled features, and the evidence for each class at each place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["DenseHead", "LinearHead"]


class LinearHead(nn.Module):
    """Average pooling, dropout, one linear layer: the logits are the mean of the evidence plus a bias.

    The evidence is the class activation map (Zhou et al. 2016).
    """

    def __init__(self, features: int, classes: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.linear = nn.Linear(features, classes)

    def forward(self, maps: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits (N, K), features (N, F) and evidence (N, K, h, w) of maps (N, F, h, w)."""
        pooled = maps.mean(dim=(2, 3))
        evidence = torch.einsum("nfhw,kf->nkhw", maps, self.linear.weight)
        return self.linear(self.dropout(pooled)), pooled, evidence


class DenseHead(nn.Module):
    """The founding head: average pooling, a dense layer with ReLU, dropout, the classes.

    It is not linear; its evidence weighs each feature by the exact gradient of the class at this slice
    (Grad-CAM, Selvaraju et al. 2017, without its ReLU), written out so that it is part of the graph.
    """

    def __init__(self, features: int, classes: int, hidden: int, dropout: float) -> None:
        super().__init__()
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
