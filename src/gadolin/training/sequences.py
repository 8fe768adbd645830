"""Which MRI sequence a slice is: a linear classifier on the network's features, written into the graph."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gadolin.atomic import replacing
from gadolin.manifest import file_digest
from gadolin.runtime import SEQUENCE

__all__ = ["SequenceProbe", "add_sequence", "fit_sequences"]

_PENALTY = 1e-3  # of the squared weights, beside the mean cross-entropy


class SequenceProbe(NamedTuple):
    """A linear classifier: ``weights`` (F, S) and ``bias`` (S,) float64 of the sequences ``names``, in order."""

    names: tuple[str, ...]
    weights: NDArray[np.float64]
    bias: NDArray[np.float64]

    def recognise(self, features: NDArray[np.floating]) -> list[str]:
        """Return the likeliest sequence of each of N slices by their features (N, F)."""
        return [self.names[place] for place in (features @ self.weights + self.bias).argmax(axis=1).tolist()]


def fit_sequences(features: NDArray[np.floating], names: Sequence[str]) -> SequenceProbe | None:
    """Return the classifier of features (N, F) by the sequence of each slice; those without one ("") are left out.

    A multinomial logistic regression in which all sequences weigh alike (probes of a network's features: Alain and
    Bengio, 2016). None where fewer than two sequences are known.
    """
    known = np.array([bool(name) for name in names])
    found = tuple(sorted({name for name in names if name}))
    if len(found) < 2:
        return None
    values = torch.from_numpy(features[known].astype(np.float64))
    truth = torch.tensor([found.index(name) for name in names if name])
    middle, spread = values.mean(dim=0), values.std(dim=0).clamp(min=1e-6)
    values = (values - middle) / spread
    rarity = len(truth) / (len(found) * torch.bincount(truth, minlength=len(found)).double())
    line = torch.zeros(len(found), values.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> float:
        search.zero_grad()
        said = F.linear(values, line[:, :-1], line[:, -1])
        total = F.cross_entropy(said, truth, weight=rarity) + _PENALTY * (line[:, :-1] ** 2).sum()
        total.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        return float(total.detach())

    search.step(loss)  # type: ignore[no-untyped-call]  # torch does not type it
    weights = line.detach()[:, :-1] / spread
    bias = line.detach()[:, -1] - weights @ middle
    return SequenceProbe(found, weights.T.numpy(), bias.numpy())


def add_sequence(graph: Path, probe: SequenceProbe) -> str:
    """Give the graph the output ``sequence`` (N, S) float32, probabilities from its features; returns its digest."""
    model = onnx.load(graph)
    constants = {"sequence_weights": probe.weights, "sequence_bias": probe.bias}
    model.graph.initializer.extend(
        numpy_helper.from_array(value.astype(np.float32), name) for name, value in constants.items()
    )
    model.graph.node.extend(
        [
            helper.make_node("MatMul", ["features", "sequence_weights"], ["sequence_placed"]),
            helper.make_node("Add", ["sequence_placed", "sequence_bias"], ["sequence_logits"]),
            helper.make_node("Softmax", ["sequence_logits"], [SEQUENCE], axis=1),
        ]
    )
    batch = model.graph.output[0].type.tensor_type.shape.dim[0].dim_param
    shape = [batch or "batch", len(probe.names)]
    model.graph.output.append(helper.make_tensor_value_info(SEQUENCE, TensorProto.FLOAT, shape))
    onnx.checker.check_model(model)
    with replacing(graph) as temporary:
        onnx.save(model, str(temporary))
    return file_digest(graph)
