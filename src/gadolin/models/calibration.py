"""How a model's answers are calibrated and what they were validated on: values that its bundle holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import BundleError

__all__ = ["TumourScale", "Validation", "logistic", "require_scales"]

_FAR = 1000.0  # of a logit
_LARGEST = 500.0  # of a logit, beyond which a probability is 0 or 1


@dataclass(frozen=True, slots=True)
class Validation:
    """A class and sequence that a model was validated on: ``right`` of ``slices`` slices, of ``patients`` patients.

    The slices are those that it answered; for a kind of tumour, those on which it predicted one.
    """

    label: str
    sequence: str
    patients: int
    slices: int
    right: int


@dataclass(frozen=True, slots=True)
class TumourScale:
    """How the tumour's logit z becomes a probability, 1 / (1 + exp(-(scale z + offset))) (Platt 1999).

    Where the likelier of tumour and none is below ``threshold``, in [0.5, 1], neither is stated. It holds for slices
    that are recognised as ``sequence``; "" for all that have no scale of their own.
    """

    scale: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5
    sequence: str = ""


def logistic(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-values)) of any shape, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values.astype(np.float64), -_LARGEST, _LARGEST))))


def require_scales(scales: Sequence[TumourScale] | None) -> None:
    """Raise BundleError unless each scale makes sense, with one for all sequences and one at most for each of them."""
    for scale in scales or ():
        if not (scale.scale > 0 and abs(scale.offset) < _FAR and 0.5 <= scale.threshold <= 1):
            raise BundleError(
                code="bundle_invalid",
                rule="the tumour's scale must be positive, its offset finite and its threshold in 0.5 to 1",
                got=f"got {scale.scale}, {scale.offset} and {scale.threshold}",
                remedy="fetch it again",
            )
    if scales is not None and [one.sequence for one in scales].count("") != 1:
        raise BundleError(
            code="bundle_invalid",
            rule="the tumour's scales must be one for all sequences, and one at most for each of them",
            got=f"got {len(scales)}",
            remedy="fetch it again",
        )
