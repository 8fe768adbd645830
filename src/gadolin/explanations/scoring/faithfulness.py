"""Deletion and insertion curves: the probability as the hottest pixels are removed or inserted first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError
from gadolin.explanations.baselines import filled, head_mask
from gadolin.explanations.explained_slice import ExplainedSlice, Heat

__all__ = ["Curves", "deletion_and_insertion"]

_AT_ONCE = 32


class Curves(NamedTuple):
    """Probability of the class (S + 1,) float64 with 0 to S of S equal parts of the head removed or inserted."""

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def areas(self) -> tuple[float, float]:
        """Return the areas under both curves over the fraction of the head, in [0, 1], by the trapezoidal rule."""
        below, above = (float((curve[1:] + curve[:-1]).mean() / 2) for curve in self)
        return below, above


def deletion_and_insertion(subject: ExplainedSlice, heat: Heat, *, fill: str = "blur", steps: int = 20) -> Curves:
    """Return the deletion and insertion curves of heat (H, W) (RISE: Petsiuk, Das and Saenko, BMVC 2018).

    The pixels of the head change in ``steps`` equal parts, the hottest first, ties in random order; removed pixels are
    replaced by the ``fill`` of LIME and SHAP. A faithful map has a small area under the deletion curve and a large one
    under the insertion curve. Raises RequestError if heat and slice differ in shape, for fewer than 2 steps or an
    unknown fill.
    """
    shown = subject.image.pixels
    if heat.shape != shown.shape:
        raise RequestError(
            code="shape_mismatch",
            rule=f"heat must have the shape of the slice, {shown.shape}",
            got=f"got {heat.shape}",
            remedy="give the map of this slice",
        )
    if steps < 2:
        raise RequestError(
            code="steps_out_of_range",
            rule="a curve needs 2 steps or more",
            got=f"got {steps}",
            remedy="20 is the usual choice",
        )
    head = head_mask(subject.image, subject.frame)
    without = filled(subject, head, fill)
    places = np.flatnonzero(head)
    chance = np.random.default_rng(0).random(len(places))
    turn = np.empty(len(places), np.int64)
    turn[np.lexsort((chance, -heat.ravel()[places].astype(np.float64)))] = np.arange(len(places)) * steps // len(places)
    step = np.full(shown.shape, steps, np.int64)
    step.ravel()[places] = turn
    gone = np.arange(steps + 1)[:, None, None] > step
    deleted = _answers(subject, np.where(gone, without, shown))
    inserted = _answers(subject, np.where(gone | ~head, shown, without))
    return Curves(deleted, inserted)


def _answers(subject: ExplainedSlice, pictures: Heat) -> NDArray[np.float64]:
    """Return the probability of the class for each picture (S, H, W)."""
    blocks = [pictures[start : start + _AT_ONCE] for start in range(0, len(pictures), _AT_ONCE)]
    return np.concatenate([subject.predict(block)[:, subject.target] for block in blocks]).astype(np.float64)
