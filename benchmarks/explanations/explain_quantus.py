"""Pointing, energy and deletion scores against the package quantus, on the same maps.

    python -m benchmarks run explain_quantus MODEL DATA [--slices 100] [--methods evidence lime] [--write]

MODEL is a run folder or a bundle, DATA a manifest with outlines. Needs quantus (0.6; ``pip install quantus``) and
torch, which wraps the model, in the same environment.
"""

from __future__ import annotations

import argparse
import statistics
import warnings
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.explanations.outlined import outlined_records
from benchmarks.publish import markdown, publish
from gadolin.explanations import Options
from gadolin.explanations.baselines import filled, head_mask
from gadolin.explanations.explained_slice import ExplainedSlice, Heat, subject
from gadolin.explanations.registry import method
from gadolin.explanations.scoring.faithfulness import deletion_and_insertion
from gadolin.explanations.scoring.localisation import energy_inside, pointing
from gadolin.models.predictor import Predict, Predictor
from gadolin.preprocessing.outlines import slice_and_mask

STEPS = 20
MEASURES = ("pointing", "energy", "deletion")


class LogProbabilities(nn.Module):
    """The model as a torch module for quantus; returns log-probabilities."""

    def __init__(self, predict: Predict) -> None:
        super().__init__()
        self.predict = predict

    def forward(self, pictures: Tensor) -> Tensor:
        """Return (N, K) for pictures (N, 1, H, W)."""
        likely = self.predict(pictures[:, 0].numpy().astype(np.float32))
        return torch.from_numpy(np.log(np.maximum(likely, 1e-12)))


class Pair(NamedTuple):
    """Scores of one map by Gadolin and by quantus, in the order of MEASURES."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--slices", type=int, default=100)
    parser.add_argument("--methods", nargs="+", default=["evidence", "lime"])
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    quantus, predictor = load_quantus(), Predictor.load(arguments.model)
    records = outlined_records(arguments.data)[: arguments.slices]
    rows = []
    for name in arguments.methods:
        pairs = []
        for record in records:
            image, mask = slice_and_mask(record)
            explained_slice = subject(predictor, image)
            heat = method(name).load()(explained_slice, Options(samples=400))[0]
            if heat.max() > 0:  # quantus rejects others
                pairs.append(both(explained_slice, heat, mask))
        rows += compared(name, pairs)
        print(*rows[-len(MEASURES) :], sep="\n", flush=True)
    head = ["map", "measure", "Gadolin", f"quantus {quantus.__version__}", "largest difference", "slices that differ"]
    publish(
        "explain-quantus",
        "Scores of explanations compared with quantus",
        [*markdown(head, rows), "", explained(len(records))],
        write=arguments.write,
    )


def load_quantus() -> ModuleType:
    """Import quantus; not at module level, so that --help works without it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import quantus
    return quantus


def explained(count: int) -> str:
    return (
        f"{count} slices, without those whose map has no heat above 0, which quantus refuses. Both packages got the "
        "same maps, outlines and fill. In quantus, the measures are PointingGame, RelevanceMassAccuracy and "
        "PixelFlipping. Heat below 0 was set to 0 for it, because it would count as negative mass. PixelFlipping "
        f"removes the same {STEPS} equal shares of the head, and the probability of the unaltered slice was added as "
        "the first point of its curve. The last column counts differences of more than 0.0005. Differences can come "
        "from equally hot pixels: if several pixels are hottest, quantus counts a hit if any of them is in the "
        "outline, Gadolin the share of them in it; and equally hot pixels are removed in another order."
    )


def both(explained_slice: ExplainedSlice, heat: Heat, mask: NDArray[np.bool_]) -> Pair:
    """Return the scores of one map (H, W) by both packages."""
    quantus = load_quantus()
    deletion = deletion_and_insertion(explained_slice, heat, steps=STEPS).areas[0]
    ours = (float(pointing(heat[None], mask[None])[0]), float(energy_inside(heat[None], mask[None])[0]), deletion)
    positive = np.maximum(heat, 0)[None, None]
    picture, target = explained_slice.image.pixels[None, None], np.array([explained_slice.target])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"abs": False, "normalise": False, "disable_warnings": True}
        given = {
            "model": LogProbabilities(explained_slice.predict).eval(),
            "x_batch": picture,
            "y_batch": target,
            "channel_first": True,
        }
        inside = {"a_batch": positive, "s_batch": mask[None, None]}
        hit = quantus.PointingGame(**options)(**given, **inside)[0]
        mass = quantus.RelevanceMassAccuracy(**options)(**given, **inside)[0] if positive.any() else 0.0
        return Pair(ours, (float(hit), float(mass), flipped(explained_slice, heat, given, options)))


def flipped(explained_slice: ExplainedSlice, heat: Heat, given: dict[str, object], options: dict[str, object]) -> float:
    """Return the area under quantus' deletion curve over the head; pixels outside come last and are left out."""
    head = head_mask(explained_slice.image, explained_slice.frame)
    without = filled(explained_slice, head, "blur").ravel()
    outside = np.where(head, heat, heat.min() - 1)[None, None]
    size = -(-int(head.sum()) // STEPS)

    def take(arr: NDArray[np.float32], indices: NDArray[np.int64], **_: object) -> NDArray[np.float32]:
        gone = arr.copy()
        np.put_along_axis(gone, indices, without[indices], axis=1)
        return gone

    class Flipping(load_quantus().PixelFlipping):
        """Pixel flipping with a last step that may be smaller."""

        def custom_preprocess(self, **_: object) -> None:
            """Skip the check that the number of pixels is a multiple of the step."""

    flipping = Flipping(features_in_step=size, perturb_func=take, **options)
    curve = flipping(**given, a_batch=outside, softmax=True)[0][:STEPS]
    whole = [explained_slice.probability, *curve]
    return float(np.trapezoid(whole) / STEPS)


def compared(name: str, pairs: Sequence[Pair]) -> list[list[str]]:
    rows = []
    for place, measure in enumerate(MEASURES):
        ours, theirs = [pair.ours[place] for pair in pairs], [pair.theirs[place] for pair in pairs]
        apart = [abs(one - other) for one, other in zip(ours, theirs, strict=True)]
        means = (f"{statistics.fmean(values):.4f}" for values in (ours, theirs))
        rows.append([name, measure, *means, f"{max(apart):.4f}", str(sum(one > 5e-4 for one in apart))])
    return rows
