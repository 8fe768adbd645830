"""Localisation measures of heat maps (N, H, W) against lesion outlines (N, H, W), one score (N,) each.

All are in [0, 1] and more is better. Ties are averaged, so that a constant map scores like a random one. See
``docs/explanations.md``.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError

__all__ = ["average_precision", "dice", "energy_inside", "overlap", "pointing"]

Maps = NDArray[np.float32]
Masks = NDArray[np.bool_]
Scores = NDArray[np.float64]


def pointing(heat: Maps, outline: Masks) -> Scores:
    """Return whether the hottest pixel is in the outline (pointing game: Zhang et al., IJCV 2018).

    Of several equally hot pixels, the fraction that is. There is no margin around the outline.
    """
    flat, inside = _flat(heat, outline)
    hottest = flat == flat.max(axis=1, keepdims=True)
    return np.asarray((hottest & inside).sum(axis=1) / hottest.sum(axis=1), np.float64)


def energy_inside(heat: Maps, outline: Masks) -> Scores:
    """Return the fraction of the positive heat in the outline (Wang et al., CVPR Workshops 2020).

    Without positive heat, the fraction of the picture that the outline covers.
    """
    flat, inside = _flat(heat, outline)
    positive = np.maximum(flat, 0).astype(np.float64)
    positive[~positive.any(axis=1)] = 1.0
    return np.asarray((positive * inside).sum(axis=1) / positive.sum(axis=1), np.float64)


def overlap(heat: Maps, outline: Masks, threshold: float) -> Scores:
    """Return the intersection over union of the outline and the pixels above ``threshold`` times the maximum heat.

    ``threshold`` in [0, 1) was fixed beforehand on other slices.
    """
    flat, inside = _flat(heat, outline)
    marked = flat > np.maximum(flat.max(axis=1, keepdims=True), 0) * np.float32(threshold)
    return np.asarray((marked & inside).sum(axis=1) / np.maximum((marked | inside).sum(axis=1), 1), np.float64)


def dice(heat: Maps, outline: Masks) -> Scores:
    """Return the Dice coefficient of the outline and the pixels with heat above 0 (Dice, 1945)."""
    flat, inside = _flat(heat, outline)
    marked = flat > 0
    return np.asarray(2 * (marked & inside).sum(axis=1) / np.maximum(marked.sum(axis=1) + inside.sum(axis=1), 1))


def average_precision(heat: Maps, outline: Masks) -> Scores:
    """Return the area under the precision-recall curve over pixels, as a step function (average precision).

    Pixels of equal heat are added together.
    """
    flat, inside = _flat(heat, outline)
    return np.array([_average_precision(*pair) for pair in zip(flat, inside, strict=True)], np.float64)


def _average_precision(heat: NDArray[np.float32], inside: NDArray[np.bool_]) -> float:
    order = np.argsort(-heat, kind="stable")
    last = np.append(np.flatnonzero(np.diff(heat[order])), len(order) - 1)
    found = np.cumsum(inside[order])[last]
    gained = np.diff(found, prepend=0)
    return float((gained * (found / (last + 1))).sum() / found[-1])


def _flat(heat: Maps, outline: Masks) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return both as (N, H * W); raises DataError if their shapes differ, an outline is empty or heat is not finite."""
    if heat.ndim != 3 or heat.shape != outline.shape:
        raise DataError(
            code="shape_mismatch",
            rule="heat and outlines must have the same shape (N, H, W)",
            got=f"got {heat.shape} and {outline.shape}",
            remedy="resample both to one grid",
        )
    inside = outline.reshape(len(outline), -1).astype(bool)
    if not inside.any(axis=1).all():
        raise DataError(
            code="outline_empty",
            rule="an outline must cover a pixel or more",
            got="one covers none",
            remedy="leave its slice out",
        )
    if not np.isfinite(heat).all():
        raise DataError(
            code="heat_not_finite", rule="heat must be finite", got="got NaN or infinity", remedy="leave that map out"
        )
    return np.asarray(heat.reshape(len(heat), -1), np.float32), inside
