"""What becomes of the answer when the hottest pixels go first, or come first: deletion and insertion curves."""

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
    """Probability of the class (S + 1,) float64 with 0 to S of S equal shares of the head taken away or put back."""

    deletion: NDArray[np.float64]
    insertion: NDArray[np.float64]

    @property
    def areas(self) -> tuple[float, float]:
        """Return the areas under both curves over the share of the head, in [0, 1], by trapezoids."""
        below, above = (float((curve[1:] + curve[:-1]).mean() / 2) for curve in self)
        return below, above


def deletion_and_insertion(subject: ExplainedSlice, heat: Heat, *, fill: str = "blur", steps: int = 20) -> Curves:
    """Return the deletion and insertion curves of heat (H, W) (RISE: Petsiuk, Das and Saenko, BMVC 2018).

    The pixels of the head go in ``steps`` equal shares, the hottest first, equally hot ones by chance; what is taken
    away shows the ``fill`` that LIME and SHAP use. A map that tells what counts has a small area under the first curve
    and a large one under the second. Raises RequestError where heat and slice differ in shape, for fewer than 2 steps
    or an unknown fill.
    """
    shown = subject.image.pixels
    if heat.shape != shown.shape:
        raise RequestError(
            code="shape_mismatch",
            rule=f"heat must lie on the slice's {shown.shape} pixels",
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
    head = head_mask(subject)
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
    """Return the probability of the class for each of the pictures (S, H, W)."""
    blocks = [pictures[start : start + _AT_ONCE] for start in range(0, len(pictures), _AT_ONCE)]
    return np.concatenate([subject.predict(block)[:, subject.target] for block in blocks]).astype(np.float64)
