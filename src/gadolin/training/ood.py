"""How unlike everything learned from a slice is: a distance in the space of features, written into the graph.

The distance of Mahalanobis to the nearest class, all classes with one covariance (Lee et al., "A Simple Unified
Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018). A model that answers for
every picture can so decline one that shows no head, or one as no scanner of its training made it.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from gadolin.datasets.manifest import file_digest
from gadolin.files.atomic import replacing
from gadolin.models.runtime import OOD_SCORE

__all__ = ["DECLINED", "ENOUGH", "OODDetector", "add_ood_score", "bound", "fit_ood_detector"]

DECLINED = 0.01
"""The share of real slices that the bound may decline."""

ENOUGH = 99
"""Slices that were not learned from, below which no such share can be told, and nothing is declined."""

_PENALTY = 0.01  # what a slice on the wrong side counts beside the squared length of the direction
_BEYOND = 1.25  # times the strangest slice that is known, where too few are known for a share


Floats = NDArray[np.float64]


class OODDetector(NamedTuple):
    """How strange features are.

    ``whitener`` (F, F) float64 makes features round, ``centres`` (K, F) are clusters among round ones, ``unit`` is
    the distance from the nearest of them that counts as 1. ``foreign`` (F,) and ``offset`` tell pictures of other
    things apart along a line, where some were shown: 1 is as far that way as hardly any slice lies.
    """

    whitener: Floats
    centres: Floats
    unit: float
    foreign: Floats
    offset: float = 0.0

    def ood_score(self, features: NDArray[np.floating]) -> Floats:
        """Return (N,) of features (N, F): below about 1 for what was learned from, more for other things."""
        placed = features.astype(np.float64) @ self.whitener
        return np.maximum(_away(placed, self.centres) / self.unit, placed @ self.foreign + self.offset)


def fit_ood_detector(
    features: NDArray[np.floating],
    targets: NDArray[np.int64],
    known: NDArray[np.floating],
    foreign: NDArray[np.floating] | None = None,
    coarse: NDArray[np.floating] | None = None,
) -> OODDetector:
    """Return the gate of features (N, F) of slices that were learned from, and the cluster (N,) of each.

    ``known`` (M, F) are slices that were not, by which distances are measured; ``foreign`` (L, F) are pictures of other
    things, which a logistic regression tells apart from slices, and from ``coarse`` (C, F) ones where there are such:
    pictures of other things are often small, and that is no reason to decline a slice. Features are first brought to
    one spread; their covariance is then shrunk towards a round one (OAS: Chen, Wiesel, Eldar and Hero 2010), so that it
    can be inverted where there are fewer slices than features.
    """
    values = features.astype(np.float64)
    classes = np.unique(targets)
    means = np.stack([values[targets == each].mean(axis=0) for each in classes])
    within = values - means[np.searchsorted(classes, targets)]
    spread = np.maximum(within.std(axis=0), 1e-6)
    scale, turned = np.linalg.eigh(_covariance(within / spread))
    whitener = turned / np.sqrt(np.maximum(scale, 1e-12)) / spread[:, None]
    centres, held_out = means @ whitener, known.astype(np.float64) @ whitener
    unit = bound(_away(held_out, centres), DECLINED / 2)
    if foreign is None:
        return OODDetector(whitener, centres, unit, np.zeros(len(whitener)))
    slices = values if coarse is None else np.concatenate([values, coarse.astype(np.float64)])
    line = _told_apart(slices @ whitener, foreign.astype(np.float64) @ whitener)
    along = held_out @ line
    middle = float(np.median(along))
    whole = bound(along, DECLINED / 2) - middle
    return OODDetector(whitener, centres, unit, line / whole, -middle / whole)


def bound(strangeness: NDArray[np.floating], declined: float = DECLINED) -> float:
    """Return the bound that declines a share of ``declined`` of slices like these (N,), which were not learned from.

    The conformal quantile (Vovk, Gammerman and Shafer 2005); where there are too few slices for it, a quarter more than
    the strangest.
    """
    place = math.ceil((len(strangeness) + 1) * (1 - declined))
    ordered = np.sort(strangeness)
    return float(ordered[place - 1]) if place <= len(ordered) else _BEYOND * float(ordered[-1])


def add_ood_score(graph: Path, gate: OODDetector) -> str:
    """Give the graph the output ``strangeness`` (N,) float32, computed from its features, and return its new digest."""
    model = onnx.load(graph)
    constants: dict[str, NDArray[Any]] = {
        "gate_whitener": gate.whitener.astype(np.float32),
        "gate_centres": gate.centres.astype(np.float32)[None],
        "gate_unit": np.array(gate.unit, np.float32),
        "gate_foreign": gate.foreign.astype(np.float32),
        "gate_offset": np.array(gate.offset, np.float32),
        "gate_classes": np.array([1], np.int64),
        "gate_last": np.array([2], np.int64),
    }
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    model.graph.node.extend(
        [
            helper.make_node("MatMul", ["features", "gate_whitener"], ["gate_placed"]),
            helper.make_node("Unsqueeze", ["gate_placed", "gate_classes"], ["gate_wide"]),
            helper.make_node("Sub", ["gate_wide", "gate_centres"], ["gate_apart"]),
            helper.make_node("Mul", ["gate_apart", "gate_apart"], ["gate_squares"]),
            helper.make_node("ReduceMean", ["gate_squares", "gate_last"], ["gate_away"], keepdims=0),
            helper.make_node("ReduceMin", ["gate_away", "gate_classes"], ["gate_nearest"], keepdims=0),
            helper.make_node("Sqrt", ["gate_nearest"], ["gate_distance"]),
            helper.make_node("Div", ["gate_distance", "gate_unit"], ["gate_distances"]),
            helper.make_node("MatMul", ["gate_placed", "gate_foreign"], ["gate_line"]),
            helper.make_node("Add", ["gate_line", "gate_offset"], ["gate_along"]),
            helper.make_node("Max", ["gate_distances", "gate_along"], [OOD_SCORE]),
        ]
    )
    batch = model.graph.output[0].type.tensor_type.shape.dim[0].dim_param
    model.graph.output.append(helper.make_tensor_value_info(OOD_SCORE, TensorProto.FLOAT, [batch or "batch"]))
    onnx.checker.check_model(model)
    with replacing(graph) as temporary:
        onnx.save(model, str(temporary))
    return file_digest(graph)


def _away(placed: Floats, centres: Floats) -> Floats:
    """Return (N,): how far round features (N, F) lie from the nearest centre, about 1 for a slice of its class."""
    squares = [((placed - centre) ** 2).mean(axis=1) for centre in centres]
    return np.asarray(np.sqrt(np.min(squares, axis=0)))


def _told_apart(known: Floats, foreign: Floats) -> Floats:
    """Return the direction (F,) of a ridge logistic regression that tells foreign from known, both weighing alike."""
    values = torch.from_numpy(np.concatenate([known, foreign]))
    truth = torch.cat([torch.zeros(len(known)), torch.ones(len(foreign))]).double()
    weights = torch.where(truth > 0, len(values) / (2 * len(foreign)), len(values) / (2 * len(known)))
    line = torch.zeros(values.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> float:
        search.zero_grad()
        said = values @ line[:-1] + line[-1]
        wrong = F.binary_cross_entropy_with_logits(said, truth, weight=weights, reduction="sum")
        total = _PENALTY * wrong + (line[:-1] ** 2).sum() / 2
        total.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        return float(total.detach())

    search.step(loss)  # type: ignore[no-untyped-call]  # torch does not type it
    return np.asarray(line.detach()[:-1].numpy())


def _covariance(centred: Floats) -> Floats:
    """Return (F, F) of centred values (N, F), shrunk as far as OAS says."""
    count, width = centred.shape
    found = centred.T @ centred / count
    trace, square = float(np.trace(found)), float((found**2).sum())
    wanted = (1 - 2 / width) * square + trace**2
    share = min(1.0, wanted / max((count + 1 - 2 / width) * (square - trace**2 / width), 1e-12))
    return np.asarray((1 - share) * found + share * trace / width * np.eye(width))
