"""The cortex: fluid-filled sulci, a ribbon of grey matter along them, white matter below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from gadolin.phantoms.anatomy import TEXTURE, Anatomy, around
from gadolin.phantoms.canvas import Canvas, Field, Point

__all__ = ["Folds", "paint_folded"]

# From the middle of the stack to its end: phase between the two patterns, in radians, and shift inwards in rows.
# Neighbouring slices 5 mm apart share about half of their sulci.
_TURNING: Final = 0.9
_INWARDS: Final = 7.0


@dataclass(frozen=True, slots=True)
class Folds:
    """Parameters of a folded surface; lengths in head units.

    The pattern runs ``rounds`` times around ``centre``; ``stretch`` is its rate of change with depth, ``reach``
    the depth of the sulci, ``gap`` half their width, ``ribbon`` the thickness of the grey matter.
    """

    centre: Point
    rounds: int = 1
    stretch: float = 44.0
    reach: float = 0.17
    gap: float = 0.0075
    ribbon: float = 0.040


def paint_folded(
    canvas: Canvas, depth: Field, fissures: Field, *, folds: Folds, anatomy: Anatomy, along: float
) -> Field:
    """Paint a folded brain; return the share of white matter in each pixel, (H, W) float32 in [0, 1].

    ``depth`` is the depth below the smooth hull of the brain, (H, W) in head units, negative outside;
    ``fissures`` the distance to its large fissures, same unit; ``along`` the position in the stack. The
    result is 0 outside the brain.
    """
    rows, columns = np.flatnonzero((depth > 0).any(1)), np.flatnonzero((depth > 0).any(0))
    white = np.zeros_like(depth)
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    x, y = canvas.x[part] - np.float32(folds.centre[0]), canvas.y[part] - np.float32(folds.centre[1])
    depth = depth[part]
    gap = np.float32(folds.gap * anatomy.sulci)
    surface = _sulci(x, y, depth, folds=folds, anatomy=anatomy, along=along)
    surface = np.minimum(np.minimum(surface, depth + gap), fissures[part])
    brain = canvas.within(depth)
    white[part] = canvas.within(surface - (gap + np.float32(folds.ribbon)), 2.2) * brain
    image = canvas.image[part]
    for share, tissue in (
        (brain, "grey"),
        (white[part], "white"),
        (canvas.within(gap - surface, 1.3) * brain, "csf"),
    ):
        image += (np.float32(canvas.tones[tissue]) - image) * share
    return white


def _sulci(x: Field, y: Field, depth: Field, *, folds: Folds, anatomy: Anatomy, along: float) -> Field:
    """Return the distance to the nearest sulcus, same shape as ``depth``, in head units.

    Sulci are the zero crossings of periodic noise wrapped around the centre; they end at ``reach``.
    """
    phase = _TURNING * along
    first, second = np.float32(np.cos(phase)), np.float32(np.sin(phase))
    pattern = anatomy.folds[0] * first + anatomy.folds[1] * second
    _, angle = cv2.cartToPolar(x, y)
    angle *= np.float32(folds.rounds * TEXTURE / (2 * np.pi))
    inwards = depth * np.float32(folds.stretch) + np.float32(_INWARDS * along)
    waves = cv2.remap(pattern, angle, inwards, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    step = float(x[0, 1] - x[0, 0])
    slope_x = cv2.Sobel(waves, cv2.CV_32F, 1, 0, scale=1 / (8 * step))
    slope_y = cv2.Sobel(waves, cv2.CV_32F, 0, 1, scale=1 / (8 * step))
    # The 40 keeps the distance finite where the noise is flat.
    steepness = np.sqrt(slope_x * slope_x + slope_y * slope_y + np.float32(40))
    uneven = around(x, y, anatomy.grain, row=0, along=along)
    reach = np.float32(folds.reach) * (1 + np.float32(0.35) * uneven)
    return np.asarray(np.abs(waves) / steepness + np.maximum(depth - reach, 0), np.float32)
