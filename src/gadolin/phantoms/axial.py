"""Axial phantom heads, nose up: one stack through the ventricles, one through the skull base."""

from __future__ import annotations

from typing import Final

import numpy as np

from gadolin.phantoms.anatomy import Anatomy
from gadolin.phantoms.canvas import Canvas, Point, closed_curve, mirrored, oval
from gadolin.phantoms.cortex import Folds, paint_folded
from gadolin.phantoms.shell import paint_cavity, paint_scalp

__all__ = ["draw_high", "draw_low"]

_HEMISPHERES: Final = Folds(centre=(0.0, 0.02))
_LOBES: Final = Folds(centre=(0.0, 0.0))
_FOLIA: Final = Folds(centre=(0.0, 0.36), stretch=420, reach=0.3, gap=0.001, ribbon=0.012)
_FRONTAL_HORN: Final[tuple[Point, ...]] = (
    (0.022, -0.06), (0.025, -0.17), (0.07, -0.26), (0.13, -0.30), (0.135, -0.25), (0.10, -0.17),
    (0.065, -0.08), (0.04, -0.03),
)  # fmt: skip
_TRIGONE: Final[tuple[Point, ...]] = (
    (0.12, 0.16), (0.18, 0.18), (0.24, 0.25), (0.26, 0.34), (0.235, 0.41), (0.20, 0.36), (0.15, 0.28),
    (0.11, 0.21),
)  # fmt: skip
_MIDDLE_FOSSAE: Final[tuple[Point, ...]] = (
    (0.0, -0.40), (0.20, -0.47), (0.34, -0.43), (0.42, -0.36), (0.53, -0.22), (0.59, 0.02), (0.60, 0.24),
    (0.53, 0.50), (0.36, 0.70), (0.0, 0.78), (-0.36, 0.70), (-0.53, 0.50), (-0.60, 0.24), (-0.59, 0.02),
    (-0.53, -0.22), (-0.42, -0.36), (-0.34, -0.43), (-0.20, -0.47),
)  # fmt: skip
_TEMPORAL: Final[tuple[Point, ...]] = (
    (0.20, -0.14), (0.26, -0.27), (0.38, -0.31), (0.49, -0.22), (0.56, 0.0), (0.56, 0.16), (0.42, 0.13),
    (0.28, 0.10), (0.20, 0.02),
)  # fmt: skip
_FRONTAL_BASE: Final[tuple[Point, ...]] = (
    (0.015, -0.37), (0.17, -0.44), (0.31, -0.40), (0.30, -0.33), (0.20, -0.26), (0.08, -0.22), (0.015, -0.24),
)  # fmt: skip
_PETROUS: Final[tuple[Point, ...]] = (
    (0.18, 0.08),
    (0.30, 0.13),
    (0.47, 0.17),
    (0.60, 0.17),
    (0.60, 0.28),
    (0.46, 0.25),
    (0.30, 0.18),
)
_PONS: Final[tuple[Point, ...]] = (
    (0.0, -0.01), (0.09, 0.0), (0.15, 0.07), (0.14, 0.15), (0.08, 0.21), (0.0, 0.22), (-0.08, 0.21),
    (-0.14, 0.15), (-0.15, 0.07), (-0.09, 0.0),
)  # fmt: skip
_CEREBELLUM: Final[tuple[Point, ...]] = (
    (0.0, 0.24), (0.16, 0.22), (0.32, 0.27), (0.46, 0.35), (0.45, 0.50), (0.32, 0.65), (0.12, 0.71),
    (0.0, 0.68), (-0.12, 0.71), (-0.32, 0.65), (-0.45, 0.50), (-0.46, 0.35), (-0.32, 0.27), (-0.16, 0.22),
)  # fmt: skip


def draw_high(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    """Paint an axial head at the level of the lateral ventricles; ``along`` is the position in the stack."""
    size = 1 - 0.03 * along
    paint_scalp(canvas, anatomy, oval((0, 0), (0.71 * size, 0.89 * size), taper=0.05), along)
    paint_cavity(canvas, anatomy, oval((0, 0.005), (0.60 * size, 0.775 * size), taper=0.07), along)
    fissures = canvas.away(
        [
            [(0.0, -0.80), (0.006, -0.6), (-0.004, -0.45), (0.0, -0.33)],
            [(0.0, 0.26), (-0.006, 0.5), (0.004, 0.8)],
            [(0.60, -0.15), (0.47, -0.08), (0.40, -0.07), (0.385, 0.0), (0.40, 0.09)],
            [(-0.60, -0.13), (-0.47, -0.07), (-0.40, -0.07), (-0.385, 0.0), (-0.40, 0.10)],
        ]
    )
    canvas.brain = canvas.cavity - np.float32(0.022)
    canvas.white = paint_folded(canvas, canvas.brain, fissures, folds=_HEMISPHERES, anatomy=anatomy, along=along)
    deep = 1 - 0.25 * along  # tapers upwards
    for curve in (
        oval((0.145, -0.17), (0.045, 0.085 * deep), tilt=20),
        oval((0.25, -0.02), (0.065 * deep, 0.15 * deep), tilt=-14),
        oval((0.095, 0.10), (0.07, 0.105 * deep), tilt=-25),
    ):
        for side in mirrored(curve):
            canvas.fill(side, "grey", 0.85)
    wide = anatomy.ventricles * (1 + 0.2 * along)
    for shape, middle, long in ((_FRONTAL_HORN, (0.05, -0.15), 1 + 0.2 * along), (_TRIGONE, (0.17, 0.27), deep)):
        scale = np.array([wide, (0.5 + 0.5 * wide) * long])
        for side in mirrored((closed_curve(shape) - middle) * scale + middle):
            canvas.fill(side, "csf")
    canvas.fill(oval((0, 0.06), (0.011 * wide, 0.075 * deep)), "csf")
    for side in mirrored(oval((0.185, 0.29), (0.016, 0.05 * deep), tilt=-30)):
        canvas.fill(side, "choroid", 0.8)
    canvas.fill(oval((0, 0.765 * size), (0.022, 0.03)), "vessel")
    canvas.fill(oval((0, -0.765 * size), (0.012, 0.02)), "vessel")


def draw_low(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    """Paint an axial head at the level of the pituitary gland; ``along`` is the position in the stack."""
    paint_scalp(canvas, anatomy, oval((0, -0.01), (0.70 + 0.02 * along, 0.88), taper=0.03), along)
    _paint_face(canvas, along)
    paint_cavity(canvas, anatomy, closed_curve(_MIDDLE_FOSSAE), along)
    fissures = canvas.away([[(0.4, -0.29), (0.35, -0.2), (0.3, -0.14)], [(-0.4, -0.29), (-0.35, -0.2), (-0.3, -0.13)]])
    hulls = [oval_side for shape in (_TEMPORAL, _FRONTAL_BASE) for oval_side in mirrored(closed_curve(shape))]
    depth = np.maximum.reduce([canvas.depth(hull) for hull in hulls])
    canvas.white = paint_folded(canvas, depth, fissures, folds=_LOBES, anatomy=anatomy, along=along)
    cerebellum = canvas.depth(closed_curve(_CEREBELLUM))
    canvas.white = canvas.white + paint_folded(
        canvas, cerebellum, fissures + 1, folds=_FOLIA, anatomy=anatomy, along=along
    )
    canvas.brain = np.maximum(depth, cerebellum)
    canvas.fill(oval((0, 0.45), (0.035, 0.19 + 0.04 * along)), "grey", 0.8)
    canvas.fill(closed_curve(_PONS) * np.array([1 - 0.12 * along, 1]), "white")
    for side in mirrored(oval((0.17, 0.19), (0.07, 0.035 - 0.012 * along), tilt=40)):
        canvas.fill(side, "white")
    canvas.fill(oval((0, 0.235), (0.065 * anatomy.ventricles * (1 - 0.4 * along), 0.024)), "csf")
    for side in mirrored(closed_curve(_PETROUS)):
        canvas.fill(side, "bone")
    canvas.fill(oval((0, 0.0), (0.017, 0.017)), "flow")
    _paint_sella(canvas)


def _paint_face(canvas: Canvas, along: float) -> None:
    canvas.fill(oval((0, -0.90), (0.10, 0.09 - 0.03 * along)), "skin")
    for side in mirrored(oval((0.60, -0.25), (0.10, 0.24), tilt=-14)):
        canvas.fill(side, "muscle")
    canvas.fill(oval((0, -0.58), (0.42, 0.22)), "bone")
    for x in (-0.035, 0.035):
        canvas.fill(oval((x, -0.62), (0.022, 0.17 - 0.03 * along)), "mucosa")
        canvas.fill(oval((x * 1.6, -0.60), (0.022, 0.14 - 0.03 * along)), "air")
    for side in mirrored(oval((0.27, -0.60), (0.15, 0.20), tilt=14)):
        canvas.fill(side, "fat")
    for side in mirrored(oval((0.285, -0.69), (0.112 - 0.012 * along, 0.108 - 0.012 * along))):
        canvas.fill(side, "muscle")
    for side in mirrored(oval((0.285, -0.69), (0.10 - 0.012 * along, 0.098 - 0.012 * along))):
        canvas.fill(side, "eye")
    for side in mirrored(oval((0.287, -0.765), (0.036, 0.016))):
        canvas.fill(side, "muscle")
    for side in mirrored(oval((0.21, -0.52), (0.014, 0.11), tilt=24)):
        canvas.fill(side, "muscle")


def _paint_sella(canvas: Canvas) -> None:
    for side in mirrored(oval((0.095, -0.125), (0.04, 0.075))):
        canvas.fill(side, "vessel", 0.7)
    for side in mirrored(oval((0.085, -0.155), (0.02, 0.024))):
        canvas.fill(side, "flow")
    canvas.fill(oval((0, -0.055), (0.075, 0.018)), "bone")
    canvas.fill(oval((0, -0.125), (0.05, 0.035)), "gland")
