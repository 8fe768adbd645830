"""Calibration of the tumour probability and validation counts, as stored in a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import BundleError

__all__ = ["TumourScale", "Validation", "logistic", "require_scales"]

_FAR = 1000.0  # offset, in logits
_LARGEST = 500.0  # of a logit, beyond which a probability is 0 or 1


@dataclass(frozen=True, slots=True)
class Validation:
    """A class and sequence that a model was validated on.

    Of ``slices`` slices of ``patients`` patients, ``right`` were classified correctly. Only answered slices count; for
    a kind of tumour, only those on which the model predicted a tumour.
    """

    label: str
    sequence: str
    patients: int
    slices: int
    right: int


@dataclass(frozen=True, slots=True)
class TumourScale:
    """Platt scaling of the tumour logit z: probability 1 / (1 + exp(-(scale z + offset))) (Platt 1999).

    The model abstains if neither tumour nor no tumour reaches the probability ``threshold``, in [0.5, 1]. The scale
    applies to slices recognised as ``sequence``; "" applies to every sequence without a scale.
    """

    scale: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5
    sequence: str = ""


def logistic(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return 1 / (1 + exp(-values)) of any shape, without overflow."""
    return np.asarray(1 / (1 + np.exp(-np.clip(values.astype(np.float64), -_LARGEST, _LARGEST))))


def require_scales(scales: Sequence[TumourScale] | None) -> None:
    """Raise BundleError unless every scale is valid and exactly one is for all sequences."""
    for scale in scales or ():
        if not (scale.scale > 0 and abs(scale.offset) < _FAR and 0.5 <= scale.threshold <= 1):
            raise BundleError(
                code="bundle_invalid",
                rule="the tumour's scale must be positive, its offset finite and its threshold in 0.5 to 1",
                got=f"got {scale.scale}, {scale.offset} and {scale.threshold}",
                remedy="download it again",
            )
    if scales is not None and [one.sequence for one in scales].count("") != 1:
        raise BundleError(
            code="bundle_invalid",
            rule="a bundle must have one tumour scale for all sequences, and at most one for each sequence",
            got=f"got {len(scales)}",
            remedy="download it again",
        )
