"""Out-of-distribution detection: a distance in feature space, written into the graph.

The score is the Mahalanobis distance to the nearest class, with one covariance for all classes (Lee et al., "A Simple
Unified Framework for Detecting Out-of-Distribution Samples and Adversarial Attacks", NeurIPS 2018). It lets a model
decline a picture without a head, or one unlike those of the scanners in its training data.
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

__all__ = ["DECLINED", "ENOUGH", "OODDetector", "add_ood_score", "fit_ood_detector", "fit_ood_threshold"]

DECLINED = 0.01
"""The fraction of in-distribution slices that the threshold may decline."""

ENOUGH = 99
"""Fewest held-out slices to estimate that fraction; with fewer, nothing is declined."""

_PENALTY = 0.01  # weight of the logistic loss relative to the ridge penalty
_BEYOND = 1.25  # times the largest held-out score, if there are too few slices for a quantile


Floats = NDArray[np.float64]


class OODDetector(NamedTuple):
    """Scores how far features are from the training data.

    ``whitener`` (F, F) float64 whitens features, ``centres`` (K, F) are the cluster centres of whitened features,
    ``unit`` is the distance to the nearest centre that counts as 1. ``foreign`` (F,) and ``offset`` are a linear
    detector of foreign pictures, if any were given, scaled so that hardly any slice exceeds 1.
    """

    whitener: Floats
    centres: Floats
    unit: float
    foreign: Floats
    offset: float = 0.0

    def ood_score(self, features: NDArray[np.floating]) -> Floats:
        """Return OOD scores (N,) of features (N, F): below about 1 in distribution, more for other pictures."""
        whitened = features.astype(np.float64) @ self.whitener
        return np.maximum(_distance(whitened, self.centres) / self.unit, whitened @ self.foreign + self.offset)


def fit_ood_detector(
    features: NDArray[np.floating],
    targets: NDArray[np.int64],
    known: NDArray[np.floating],
    foreign: NDArray[np.floating] | None = None,
    coarse: NDArray[np.floating] | None = None,
) -> OODDetector:
    """Fit a detector on features (N, F) of training slices and the cluster (N,) of each.

    ``known`` (M, F) are features of held-out slices, which calibrate the distances. ``foreign`` (L, F) are features of
    foreign pictures, which a logistic regression separates from slices and, if given, from ``coarse`` (C, F) slices of
    low resolution: foreign pictures are often small, and that alone is no reason to decline a slice. Features are first
    standardised; their covariance is then shrunk towards a multiple of the identity (OAS: Chen, Wiesel, Eldar and Hero
    2010), so that it can be inverted with fewer slices than features.
    """
    values = features.astype(np.float64)
    classes = np.unique(targets)
    means = np.stack([values[targets == each].mean(axis=0) for each in classes])
    within = values - means[np.searchsorted(classes, targets)]
    spread = np.maximum(within.std(axis=0), 1e-6)
    variances, axes = np.linalg.eigh(_covariance(within / spread))
    whitener = axes / np.sqrt(np.maximum(variances, 1e-12)) / spread[:, None]
    centres, held_out = means @ whitener, known.astype(np.float64) @ whitener
    unit = fit_ood_threshold(_distance(held_out, centres), DECLINED / 2)
    if foreign is None:
        return OODDetector(whitener, centres, unit, np.zeros(len(whitener)))
    slices = values if coarse is None else np.concatenate([values, coarse.astype(np.float64)])
    line = _separating_direction(slices @ whitener, foreign.astype(np.float64) @ whitener)
    along = held_out @ line
    middle = float(np.median(along))
    whole = fit_ood_threshold(along, DECLINED / 2) - middle
    return OODDetector(whitener, centres, unit, line / whole, -middle / whole)


def fit_ood_threshold(scores: NDArray[np.floating], declined: float = DECLINED) -> float:
    """Return the threshold that declines a fraction ``declined`` of held-out slices with these ``scores`` (N,).

    It is the conformal quantile (Vovk, Gammerman and Shafer 2005); with too few slices for it, 1.25 times the largest
    score.
    """
    place = math.ceil((len(scores) + 1) * (1 - declined))
    ordered = np.sort(scores)
    return float(ordered[place - 1]) if place <= len(ordered) else _BEYOND * float(ordered[-1])


def add_ood_score(graph: Path, detector: OODDetector) -> str:
    """Add the output ``strangeness`` (N,) float32, the OOD score of its features, to a graph; return the new digest."""
    model = onnx.load(graph)
    constants: dict[str, NDArray[Any]] = {
        "gate_whitener": detector.whitener.astype(np.float32),
        "gate_centres": detector.centres.astype(np.float32)[None],
        "gate_unit": np.array(detector.unit, np.float32),
        "gate_foreign": detector.foreign.astype(np.float32),
        "gate_offset": np.array(detector.offset, np.float32),
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


def _distance(whitened: Floats, centres: Floats) -> Floats:
    """Return (N,): the distance of whitened features (N, F) to the nearest centre, about 1 for a slice of its class."""
    squares = [((whitened - centre) ** 2).mean(axis=1) for centre in centres]
    return np.asarray(np.sqrt(np.min(squares, axis=0)))


def _separating_direction(known: Floats, foreign: Floats) -> Floats:
    """Return the direction (F,) of a ridge logistic regression of foreign against known, both with equal weight."""
    values = torch.from_numpy(np.concatenate([known, foreign]))
    truth = torch.cat([torch.zeros(len(known)), torch.ones(len(foreign))]).double()
    weights = torch.where(truth > 0, len(values) / (2 * len(foreign)), len(values) / (2 * len(known)))
    line = torch.zeros(values.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    search = torch.optim.LBFGS([line], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> float:
        search.zero_grad()
        logits = values @ line[:-1] + line[-1]
        fit = F.binary_cross_entropy_with_logits(logits, truth, weight=weights, reduction="sum")
        total = _PENALTY * fit + (line[:-1] ** 2).sum() / 2
        total.backward()  # type: ignore[no-untyped-call]  # torch does not type it
        return float(total.detach())

    search.step(loss)  # type: ignore[no-untyped-call]  # torch does not type it
    return np.asarray(line.detach()[:-1].numpy())


def _covariance(centred: Floats) -> Floats:
    """Return the covariance (F, F) of centred values (N, F), shrunk by OAS."""
    count, width = centred.shape
    found = centred.T @ centred / count
    trace, square = float(np.trace(found)), float((found**2).sum())
    numerator = (1 - 2 / width) * square + trace**2
    share = min(1.0, numerator / max((count + 1 - 2 / width) * (square - trace**2 / width), 1e-12))
    return np.asarray((1 - share) * found + share * trace / width * np.eye(width))
