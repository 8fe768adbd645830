"""LIME and SHAP: the deployed model is asked about the slice with some of its pieces taken away."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError
from gadolin.explanations.explained_slice import ExplainedSlice, Heat
from gadolin.explanations.methods.lime import kernel, linear_model
from gadolin.explanations.methods.sampling import balanced_pairs, sized_pairs
from gadolin.explanations.methods.shap import shapley_values
from gadolin.explanations.methods.superpixels import Superpixels, superpixels
from gadolin.explanations.options import Options

__all__ = ["lime", "shap"]

_SPREAD = 0.2  # of the number of superpixels, from the middle to the grids with the fewest and the most

Floats = NDArray[np.float64]
Random = np.random.Generator
Worth = Callable[[Superpixels, int, Random], tuple[Floats, int]]


def lime(subject: ExplainedSlice, options: Options) -> tuple[Heat, int]:
    """Return the slopes of LIME's linear model on the pixels of the slice, and how many samples it took.

    Of several grids, the mean of their maps.
    """

    def slopes(cut: Superpixels, samples: int, random: Random) -> tuple[Floats, int]:
        kept = balanced_pairs(samples, cut.count, random)
        return linear_model(kept, cut.answers(kept), kernel(kept)), len(kept)

    return _over_grids(subject, options, slopes)


def shap(subject: ExplainedSlice, options: Options) -> tuple[Heat, int]:
    """Return the Shapley values of the pieces on the pixels of the slice, and how many samples it took.

    Those of a grid sum to the probability of the class less that for the slice with every piece taken away; of several
    grids, the mean of their maps.
    """

    def values(cut: Superpixels, samples: int, random: Random) -> tuple[Floats, int]:
        kept, weights = sized_pairs(samples - 2, cut.count, random)
        ends = np.array([np.zeros(cut.count, np.bool_), np.ones(cut.count, np.bool_)])
        none, whole, *likely = cut.answers(np.concatenate([ends, kept])).tolist()
        return shapley_values(kept, np.array(likely), weights, (none, whole)), len(kept) + 2

    return _over_grids(subject, options, values)


def _over_grids(subject: ExplainedSlice, options: Options, worth: Worth) -> tuple[Heat, int]:
    """Return the mean of the maps of each grid, which have their share of the samples, and all samples taken.

    There are as many grids as wanted where each then has two samples for each of its pieces, else fewer.
    """
    grids = max(1, min(options.grids, options.samples // (2 * options.pieces)))
    samples = options.samples // grids
    random = np.random.default_rng(options.seed)
    maps, taken = [], 0
    for grid in range(grids):
        cut = _cut(subject, options, _SPREAD * (2 * grid / (grids - 1) - 1) if grids > 1 else 0.0)
        if samples < cut.count + 2:
            raise RequestError(
                code="samples_out_of_range",
                rule=f"a map over {cut.count} superpixels needs {cut.count + 2} samples or more",
                got=f"got {options.samples}",
                remedy="ask for more samples or fewer superpixels",
            )
        found, count = worth(cut, samples, random)
        maps.append(cut.heat(found))
        taken += count
    return np.asarray(np.mean(maps, axis=0), np.float32), taken


def _cut(subject: ExplainedSlice, options: Options, more: float) -> Superpixels:
    """Return the superpixels of one grid; with a share of ``more`` than is usual they lie elsewhere."""
    return superpixels(subject, count=round(options.pieces * (1 + more)), fill=options.fill)
