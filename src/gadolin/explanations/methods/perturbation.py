"""LIME and SHAP: evaluate the deployed model on the slice with some superpixels removed."""

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

_SPREAD = 0.2  # relative variation of the number of superpixels between grids

Floats = NDArray[np.float64]
Random = np.random.Generator
Worth = Callable[[Superpixels, int, Random], tuple[Floats, int]]


def lime(subject: ExplainedSlice, options: Options) -> tuple[Heat, int]:
    """Return the coefficients of LIME's linear model on the pixels of the slice, and the number of samples.

    With several grids, the mean of their maps.
    """

    def slopes(cut: Superpixels, samples: int, random: Random) -> tuple[Floats, int]:
        kept = balanced_pairs(samples, cut.count, random)
        return linear_model(kept, cut.answers(kept), kernel(kept)), len(kept)

    return _over_grids(subject, options, slopes)


def shap(subject: ExplainedSlice, options: Options) -> tuple[Heat, int]:
    """Return the Shapley values of the superpixels on the pixels of the slice, and the number of samples.

    The values of a grid sum to the probability of the class minus that for the slice with every superpixel removed.
    With several grids, the mean of their maps.
    """

    def values(cut: Superpixels, samples: int, random: Random) -> tuple[Floats, int]:
        kept, weights = sized_pairs(samples - 2, cut.count, random)
        ends = np.array([np.zeros(cut.count, np.bool_), np.ones(cut.count, np.bool_)])
        none, whole, *rest = cut.answers(np.concatenate([ends, kept])).tolist()
        return shapley_values(kept, np.array(rest), weights, (none, whole)), len(kept) + 2

    return _over_grids(subject, options, values)


def _over_grids(subject: ExplainedSlice, options: Options, worth: Worth) -> tuple[Heat, int]:
    """Return the mean of the maps of all grids, which share the samples equally, and the number of samples.

    The number of grids is reduced if each would have fewer than two samples per superpixel.
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
                remedy="use more samples or fewer superpixels",
            )
        found, count = worth(cut, samples, random)
        maps.append(cut.heat(found))
        taken += count
    return np.asarray(np.mean(maps, axis=0), np.float32), taken


def _cut(subject: ExplainedSlice, options: Options, more: float) -> Superpixels:
    """Return the superpixels of one grid; ``more`` is the relative change of their number, to shift borders."""
    return superpixels(subject, count=round(options.pieces * (1 + more)), fill=options.fill)
