"""Choices made before explanations are scored: the fill of LIME and SHAP, and the thresholds of IoU.

    python -m benchmarks run explain_choices CROSSVAL [--folds 1 2 3] [--slices 20] [--samples 400] [--write]

CROSSVAL holds the runs ``fold-K`` of a cross-validation with outlines; each model explains slices of its held-out
persons. Needs the extras train and explain.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.explanations.outlined import outlined_records
from benchmarks.publish import markdown, publish
from gadolin.explanations import Options
from gadolin.explanations.baselines import FILLS
from gadolin.explanations.explained_slice import ExplainedSlice, Heat, subject
from gadolin.explanations.registry import METHODS, method
from gadolin.explanations.scoring.baseline_maps import PRIORS
from gadolin.explanations.scoring.faithfulness import deletion_and_insertion
from gadolin.explanations.scoring.localisation import energy_inside, overlap, pointing
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.outlines import slice_and_mask

ASKING = ("lime", "shap")
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Outlined(NamedTuple):
    """A slice to explain, and the outline (H, W) bool of its tumour."""

    explained: ExplainedSlice
    mask: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crossval", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--slices", type=int, default=20, help="slices of each fold")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    chosen = [one for fold in arguments.folds for one in of_fold(arguments.crossval / f"fold-{fold}", arguments.slices)]
    lines = [
        f"{len(chosen)} slices with outlines, held-out patients of the folds {', '.join(map(str, arguments.folds))}; "
        f"LIME and SHAP used {arguments.samples} samples. The fill replaces removed superpixels: the blurred slice, "
        "the mean intensity, or inpainting. “Whole” is the probability of the predicted class for the whole slice, "
        "“empty” its probability if every superpixel is replaced: the lower, the less the fill itself resembles the "
        "class.",
        "",
        *fills(chosen, Options(samples=arguments.samples)),
        "",
        "Mean IoU with the outline, by the fraction of the maximum heat above which a pixel counts as marked; the "
        "largest IoU of each method is bold:",
        "",
        *thresholds(chosen, Options(samples=arguments.samples)),
    ]
    publish("explain-choices", "Settings fixed before explanations are scored", lines, write=arguments.write)


def of_fold(run: Path, count: int) -> Iterator[Outlined]:
    """Yield outlined slices of the test part of a run, classes interleaved."""
    predictor = Predictor.load(run)
    for record in outlined_records(run / "manifest.csv")[:count]:
        image, mask = slice_and_mask(record)
        yield Outlined(subject(predictor, image), mask)


def fills(chosen: Sequence[Outlined], options: Options) -> list[str]:
    """Return the table of scores by method and fill."""
    rows = []
    for name in ASKING:
        for fill in FILLS:
            scores = []
            for explained, mask in chosen:
                heat = method(name).load()(explained, replace(options, fill=fill))[0]
                curves = deletion_and_insertion(explained, heat, fill=fill)
                on_mask = (float(measure(heat[None], mask[None])[0]) for measure in (pointing, energy_inside))
                scores.append([*on_mask, *curves.areas, explained.probability, float(curves.deletion[-1])])
            rows.append([name, fill, *(f"{statistics.fmean(column):.3f}" for column in zip(*scores, strict=True))])
            print(*rows[-1], flush=True)
    return markdown(["method", "fill", "pointing", "energy", "deletion", "insertion", "whole", "empty"], rows)


def thresholds(chosen: Sequence[Outlined], options: Options) -> list[str]:
    """Return the table of IoU by method and threshold."""
    rows = []
    for name in (*METHODS, *PRIORS):
        heats = [(heat_of(name, explained, options)[None], mask[None]) for explained, mask in chosen]
        means = [statistics.fmean(float(overlap(*one, share)[0]) for one in heats) for share in THRESHOLDS]
        rows.append([name, *(f"**{mean:.3f}**" if mean == max(means) else f"{mean:.3f}" for mean in means)])
        print(*rows[-1], flush=True)
    return markdown(["method", *map(str, THRESHOLDS)], rows)


def heat_of(name: str, explained: ExplainedSlice, options: Options) -> Heat:
    """Return the heat (H, W) of a method or prior."""
    if name in PRIORS:
        return PRIORS[name](explained.image, explained.frame, options.seed)
    return method(name).load()(explained, options)[0]
