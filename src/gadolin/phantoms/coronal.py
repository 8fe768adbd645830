"""Coronal phantom heads, front view: a stack through the third ventricle and the pituitary gland."""

from __future__ import annotations

from typing import Final

import numpy as np

from gadolin.phantoms.anatomy import Anatomy
from gadolin.phantoms.canvas import Canvas, Point, closed_curve, mirrored, oval
from gadolin.phantoms.cortex import Folds, paint_folded
from gadolin.phantoms.shell import paint_cavity, paint_scalp

__all__ = ["draw"]

_FOLDS: Final = Folds(centre=(0.0, -0.15))
_HEAD: Final[tuple[Point, ...]] = (
    (0.0, -0.90), (0.28, -0.86), (0.53, -0.70), (0.69, -0.42), (0.72, -0.10), (0.68, 0.18), (0.62, 0.42),
    (0.60, 0.60), (0.56, 0.80), (0.56, 1.1), (-0.56, 1.1), (-0.56, 0.80), (-0.60, 0.60), (-0.62, 0.42),
    (-0.68, 0.18), (-0.72, -0.10), (-0.69, -0.42), (-0.53, -0.70), (-0.28, -0.86),
)  # fmt: skip
_CAVITY: Final[tuple[Point, ...]] = (
    (0.0, -0.78), (0.26, -0.74), (0.46, -0.58), (0.59, -0.34), (0.615, -0.08), (0.57, 0.14), (0.46, 0.27),
    (0.32, 0.29), (0.20, 0.23), (0.12, 0.20), (0.0, 0.215), (-0.12, 0.20), (-0.20, 0.23), (-0.32, 0.29),
    (-0.46, 0.27), (-0.57, 0.14), (-0.615, -0.08), (-0.59, -0.34), (-0.46, -0.58), (-0.26, -0.74),
)  # fmt: skip
_HEMISPHERE: Final[tuple[Point, ...]] = (
    (0.0, -0.76), (0.25, -0.72), (0.445, -0.565), (0.57, -0.33), (0.595, -0.08), (0.55, 0.13),
    (0.45, 0.25), (0.33, 0.27), (0.23, 0.21), (0.19, 0.12), (0.10, 0.09), (0.0, 0.06), (-0.10, 0.09),
    (-0.19, 0.12), (-0.23, 0.21), (-0.33, 0.27), (-0.45, 0.25), (-0.55, 0.13), (-0.595, -0.08),
    (-0.57, -0.33), (-0.445, -0.565), (-0.25, -0.72),
)  # fmt: skip
_LATERAL: Final[tuple[Point, ...]] = (
    (0.014, -0.155), (0.06, -0.20), (0.13, -0.235), (0.19, -0.235), (0.165, -0.17), (0.10, -0.11),
    (0.04, -0.085), (0.016, -0.10),
)  # fmt: skip


def draw(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    """Paint a coronal head; ``along`` is the position in the stack, about [-1, 1], from front to back."""
    paint_scalp(canvas, anatomy, closed_curve(_HEAD), along)
    _paint_face(canvas, anatomy, along)
    paint_cavity(canvas, anatomy, closed_curve(_CAVITY), along)
    fissures = canvas.away(
        [
            [(0.0, -0.8), (0.006, -0.55), (-0.003, -0.4), (0.0, -0.31)],
            [(0.62, -0.03), (0.47, 0.0), (0.40, -0.03), (0.375, -0.12)],
            [(0.40, -0.03), (0.385, 0.07)],
            [(-0.62, -0.02), (-0.47, 0.0), (-0.40, -0.02), (-0.375, -0.12)],
            [(-0.40, -0.02), (-0.385, 0.07)],
            [(0.03, -0.33), (0.11, -0.35)],
            [(-0.03, -0.33), (-0.11, -0.36)],
        ]
    )
    canvas.brain = canvas.depth(closed_curve(_HEMISPHERE))
    canvas.white = paint_folded(canvas, canvas.brain, fissures, folds=_FOLDS, anatomy=anatomy, along=along)
    _paint_centre(canvas, anatomy, along)
    _paint_sella(canvas)


def _paint_centre(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    ahead = 1 - 0.25 * along  # tapers backwards
    for curve in (
        oval((0.20, -0.135), (0.045, 0.055 * ahead), tilt=-35),
        oval((0.265, -0.01), (0.065 * ahead, 0.105), tilt=12),
        oval((0.085, -0.015), (0.065 / ahead, 0.07), tilt=-10),
        oval((0.265, 0.175), (0.07, 0.038), tilt=12),
    ):
        for side in mirrored(curve):
            canvas.fill(side, "grey", 0.85)
    wide = anatomy.ventricles * (1 + 0.2 * along)
    middle = np.array([0.03, -0.16])
    for side in mirrored((closed_curve(_LATERAL) - middle) * np.array([0.4 + 0.6 * wide, wide]) + middle):
        canvas.fill(side, "csf")
    canvas.fill(oval((0, 0.0), (0.011 * wide, 0.075 / ahead)), "csf")
    for side in mirrored(oval((0.30, 0.135), (0.035 * wide, 0.010), tilt=-15)):
        canvas.fill(side, "csf")
    for side in mirrored(oval((0.045, -0.105), (0.022, 0.012), tilt=-20)):
        canvas.fill(side, "choroid", 0.7)
    canvas.fill(oval((0, -0.785), (0.028, 0.024)), "vessel")


def _paint_face(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    for side in mirrored(oval((0.37, 0.62), (0.16 - 0.03 * along, 0.34), tilt=-4)):
        canvas.fill(side, "muscle")
    for side in mirrored(oval((0.62, 0.05), (0.055, 0.25), tilt=6)):
        canvas.fill(side, "muscle")
    for side in mirrored(oval((0.44 + 0.05 * along, 0.62), (0.035, 0.22), tilt=3)):
        canvas.fill(side, "bone")
    for side in mirrored(oval((0.44 + 0.05 * along, 0.62), (0.018, 0.19), tilt=3)):
        canvas.fill(side, "marrow")
    canvas.fill(oval((0, 0.72), (0.27, 0.46)), "muscle")
    canvas.fill(oval((0, 0.44), (0.28, 0.19)), "bone")
    for side in mirrored(oval((0.085, 0.385), (0.075 * anatomy.bone, 0.075 - 0.02 * along))):
        canvas.fill(side, "air")
    canvas.fill(oval((0, 0.56 + 0.02 * along), (0.15 - 0.03 * along, 0.05)), "mucosa")
    canvas.fill(oval((0, 0.58 + 0.02 * along), (0.10 - 0.03 * along, 0.035)), "air")
    canvas.fill(oval((0, 0.80), (0.16, 0.13)), "skin", 0.6)


def _paint_sella(canvas: Canvas) -> None:
    for side in mirrored(oval((0.105, 0.215), (0.045, 0.055))):
        canvas.fill(side, "vessel", 0.75)
    for side in mirrored(oval((0.10, 0.225), (0.020, 0.020))):
        canvas.fill(side, "flow")
    canvas.fill(oval((0, 0.125), (0.065, 0.013)), "white")
    canvas.fill(oval((0, 0.165), (0.007, 0.04)), "gland")
    canvas.fill(oval((0, 0.215), (0.06, 0.024)), "gland")
