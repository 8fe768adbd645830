"""The folded surface of the brain: furrows full of fluid, a grey ribbon along them, white matter below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from gadolin.phantoms.anatomy import TEXTURE, Anatomy, around
from gadolin.phantoms.canvas import Canvas, Field, Point

__all__ = ["Folds", "paint_folded"]

# From the middle of the stack to its end: how far the pattern turns into its other half, in radians, and how many
# rows of it move inwards. Neighbouring slices 5 mm apart share about half of their furrows.
_TURNING: Final = 0.9
_INWARDS: Final = 7.0


@dataclass(frozen=True, slots=True)
class Folds:
    """How a surface is folded; lengths in head units.

    The pattern runs ``rounds`` times around ``centre`` and changes with depth as fast as ``stretch`` says;
    ``reach`` is how deep the furrows go, ``gap`` half their width, ``ribbon`` the grey matter's thickness.
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

    ``depth`` is the depth below the brain's smooth hull, (H, W) in head units, negative outside;
    ``fissures`` the distance to its named fissures, same unit; ``along`` the place in the stack. What is
    returned is 0 outside the brain.
    """
    rows, columns = np.flatnonzero((depth > 0).any(1)), np.flatnonzero((depth > 0).any(0))
    white = np.zeros_like(depth)
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    x, y = canvas.x[part] - np.float32(folds.centre[0]), canvas.y[part] - np.float32(folds.centre[1])
    depth = depth[part]
    gap = np.float32(folds.gap * anatomy.sulci)
    surface = _furrows(x, y, depth, folds=folds, anatomy=anatomy, along=along)
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


def _furrows(x: Field, y: Field, depth: Field, *, folds: Folds, anatomy: Anatomy, along: float) -> Field:
    """Return the distance to the nearest furrow, same shape as ``depth``, in head units.

    A furrow is where periodic noise, wrapped around the centre, crosses zero; it ends below its reach.
    """
    phase = _TURNING * along
    ours, other = np.float32(np.cos(phase)), np.float32(np.sin(phase))
    pattern = anatomy.folds[0] * ours + anatomy.folds[1] * other
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
