"""LIME and SHAP: the deployed model is asked about the slice with some of its pieces taken away."""

from __future__ import annotations

import numpy as np

from gadolin.errors import RequestError
from gadolin.explanations.lime import kernel, linear_model
from gadolin.explanations.options import Options
from gadolin.explanations.sampling import balanced_pairs, sized_pairs
from gadolin.explanations.shapley import shapley_values
from gadolin.explanations.subject import Heat, Subject
from gadolin.explanations.superpixels import Superpixels, superpixels

__all__ = ["lime", "shap"]


def lime(subject: Subject, options: Options) -> tuple[Heat, int]:
    """Return the slopes of LIME's linear model on the pixels of the slice, and how many samples it took."""
    cut = _cut(subject, options)
    kept = balanced_pairs(options.samples, cut.count, np.random.default_rng(options.seed))
    return cut.heat(linear_model(kept, cut.answers(kept), kernel(kept))), len(kept)


def shap(subject: Subject, options: Options) -> tuple[Heat, int]:
    """Return the Shapley values of the pieces on the pixels of the slice, and how many samples it took.

    They sum to the probability of the class less that for the slice with every piece taken away.
    """
    cut = _cut(subject, options)
    kept, weights = sized_pairs(options.samples - 2, cut.count, np.random.default_rng(options.seed))
    ends = np.array([np.zeros(cut.count, np.bool_), np.ones(cut.count, np.bool_)])
    none, whole = cut.answers(ends).tolist()
    return cut.heat(shapley_values(kept, cut.answers(kept), weights, (none, whole))), len(kept) + 2


def _cut(subject: Subject, options: Options) -> Superpixels:
    cut = superpixels(subject, count=options.pieces, fill=options.fill)
    if options.samples < cut.count + 2:
        msg = (
            f"a map over {cut.count} superpixels needs {cut.count + 2} samples or more, got {options.samples}; "
            "ask for more samples or fewer superpixels"
        )
        raise RequestError(msg)
    return cut
