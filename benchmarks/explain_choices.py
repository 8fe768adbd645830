"""What is fixed before explanations are scored: what LIME and SHAP see in place of a piece, and the thresholds of IoU.

    python benchmarks/explain_choices.py CROSSVAL [--folds 1 2 3] [--slices 20] [--samples 400] [--write]

CROSSVAL holds the runs ``fold-K`` of a cross-validation over data with outlines; each model explains slices of its own
held-out persons. The needed extras are train and explain.
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

from explain import turn_about
from gadolin.datasets import scan
from gadolin.explanations import Options
from gadolin.explanations.baselines import FILLS
from gadolin.explanations.explained_slice import ExplainedSlice, Heat, subject
from gadolin.explanations.registry import METHODS, method
from gadolin.explanations.scoring.faithfulness import deletion_and_insertion
from gadolin.explanations.scoring.measures import energy_inside, overlap, pointing
from gadolin.explanations.scoring.priors import PRIORS
from gadolin.metrics.assess import tested_records
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.outlines import slice_and_mask
from publish import markdown, publish

ASKING = ("lime", "shap")
THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


class Outlined(NamedTuple):
    """A question about a slice, and the outline (H, W) of its tumour."""

    asked: ExplainedSlice
    mask: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("crossval", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--slices", type=int, default=20, help="of each fold")
    parser.add_argument("--samples", type=int, default=400)
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    chosen = [one for fold in arguments.folds for one in of_fold(arguments.crossval / f"fold-{fold}", arguments.slices)]
    lines = [
        f"{len(chosen)} slices with outlines, held-out persons of the folds {', '.join(map(str, arguments.folds))}; "
        f"LIME and SHAP took {arguments.samples} samples. “Whole” is the probability of the named class, “empty” the "
        "same where every piece is taken away: the lower, the less the fill itself looks like the class.",
        "",
        *fills(chosen, Options(samples=arguments.samples)),
        "",
        "IoU with the outline, mean, by the share of the hottest above which a pixel counts as marked; the best share "
        "of each method is bold:",
        "",
        *thresholds(chosen, Options(samples=arguments.samples)),
    ]
    publish("explain-choices", "What is fixed before explanations are scored", lines, write=arguments.write)


def of_fold(run: Path, count: int) -> Iterator[Outlined]:
    """Yield slices of a run's test part that have outlines, classes in turn."""
    predictor = Predictor.load(run)
    records = [record for record in tested_records(scan(run / "manifest.csv").records) if record.outlined]
    for record in turn_about(records)[:count]:
        image, mask = slice_and_mask(record)
        yield Outlined(subject(predictor, image), mask)


def fills(chosen: Sequence[Outlined], options: Options) -> list[str]:
    """Return the table of methods and fills."""
    rows = []
    for name in ASKING:
        for fill in FILLS:
            told = []
            for asked, mask in chosen:
                heat = method(name).load()(asked, replace(options, fill=fill))[0]
                curves = deletion_and_insertion(asked, heat, fill=fill)
                on_mask = (float(measure(heat[None], mask[None])[0]) for measure in (pointing, energy_inside))
                told.append([*on_mask, *curves.areas, asked.probability, float(curves.deletion[-1])])
            rows.append([name, fill, *(f"{statistics.fmean(column):.3f}" for column in zip(*told, strict=True))])
            print(*rows[-1], flush=True)
    return markdown(["method", "fill", "pointing", "energy", "deletion", "insertion", "whole", "empty"], rows)


def thresholds(chosen: Sequence[Outlined], options: Options) -> list[str]:
    """Return the table of thresholds."""
    rows = []
    for name in (*METHODS, *PRIORS):
        heats = [(heat_of(name, asked, options)[None], mask[None]) for asked, mask in chosen]
        means = [statistics.fmean(float(overlap(*one, share)[0]) for one in heats) for share in THRESHOLDS]
        rows.append([name, *(f"**{mean:.3f}**" if mean == max(means) else f"{mean:.3f}" for mean in means)])
        print(*rows[-1], flush=True)
    return markdown(["method", *map(str, THRESHOLDS)], rows)


def heat_of(name: str, asked: ExplainedSlice, options: Options) -> Heat:
    """Return the heat (H, W) of a method or prior."""
    if name in PRIORS:
        return PRIORS[name](asked.image, asked.frame, options.seed)
    return method(name).load()(asked, options)[0]


if __name__ == "__main__":
    main()
