"""The folded surface of the brain: furrows full of fluid, a grey ribbon along them, white matter below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from gadolin.phantom.anatomy import TEXTURE, Anatomy
from gadolin.phantom.canvas import Canvas, Field, Point

__all__ = ["CEREBELLUM", "CEREBRUM", "MEDIAL", "Folds", "paint_folded"]


@dataclass(frozen=True, slots=True)
class Folds:
    """How a surface is folded; lengths in head units.

    ``rounds`` is how often the pattern is repeated around the centre, ``stretch`` how fast it changes with depth,
    ``reach`` how deep the furrows go, ``gap`` half their width, ``ribbon`` the thickness of the grey matter.
    """

    rounds: int
    stretch: float
    reach: float
    gap: float
    ribbon: float


CEREBRUM: Final = Folds(rounds=1, stretch=44, reach=0.15, gap=0.0075, ribbon=0.032)
MEDIAL: Final = Folds(rounds=1, stretch=40, reach=0.24, gap=0.0085, ribbon=0.036)
CEREBELLUM: Final = Folds(rounds=2, stretch=40, reach=0.12, gap=0.003, ribbon=0.019)


def paint_folded(
    canvas: Canvas, depth: Field, *, centre: Point, folds: Folds, anatomy: Anatomy, along: float, fissures: Field
) -> Field:
    """Paint a folded brain and return the share of white matter in each pixel, (H, W) float32 in [0, 1].

    ``depth`` is the depth below the brain's smooth hull, (H, W) in head units, negative outside; ``fissures`` the
    distance to its named fissures, same unit; ``along`` the place in the stack, about [-1, 1].
    """
    furrow, reach = _furrows(canvas, depth, centre=centre, folds=folds, pattern=_pattern(anatomy, along), grain=anatomy.grain)
    gap = folds.gap * anatomy.sulci
    surface = furrow + np.maximum(depth - reach, 0)
    surface = np.minimum(np.minimum(surface, depth + np.float32(gap)), fissures)
    brain = canvas.within(depth)
    white = canvas.within(surface - np.float32(gap + folds.ribbon), 2.2) * brain
    canvas.paint(brain, "grey")
    canvas.paint(white, "white")
    canvas.paint(canvas.within(np.float32(gap) - surface, 1.3) * brain, "csf")
    return white


def _pattern(anatomy: Anatomy, along: float) -> Field:
    phase = 0.45 * along
    return anatomy.folds[0] * np.float32(np.cos(phase)) + anatomy.folds[1] * np.float32(np.sin(phase))


def _furrows(
    canvas: Canvas, depth: Field, *, centre: Point, folds: Folds, pattern: Field, grain: Field
) -> tuple[Field, Field]:
    """Return the distance to the nearest furrow and how deep furrows reach there, both (H, W) in head units."""
    x, y = canvas.x - np.float32(centre[0]), canvas.y - np.float32(centre[1])
    _, angle = cv2.cartToPolar(x, y)
    around = angle * np.float32(folds.rounds * TEXTURE / (2 * np.pi))
    inwards = depth * np.float32(folds.stretch)
    waves = cv2.remap(pattern, around, inwards, cv2.INTER_CUBIC, borderMode=cv2.BORDER_WRAP)
    slope_x = cv2.Sobel(waves, cv2.CV_32F, 1, 0, scale=1 / (8 * canvas.pixel))
    slope_y = cv2.Sobel(waves, cv2.CV_32F, 0, 1, scale=1 / (8 * canvas.pixel))
    steepness = np.sqrt(slope_x * slope_x + slope_y * slope_y + np.float32(40))
    uneven = cv2.remap(grain, around, np.zeros_like(around), cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    reach = np.float32(folds.reach) * (1 + np.float32(0.35) * uneven)
    return np.abs(waves) / steepness, reach
