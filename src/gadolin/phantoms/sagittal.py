"""Sagittal phantom heads, nose to the left: a stack around the midline."""

from __future__ import annotations

from typing import Final

import numpy as np

from gadolin.phantoms.anatomy import Anatomy
from gadolin.phantoms.canvas import Canvas, Point, closed_curve, oval
from gadolin.phantoms.cortex import Folds, paint_folded
from gadolin.phantoms.shell import paint_cavity, paint_scalp

__all__ = ["draw"]

_FOLDS: Final = Folds(centre=(0.05, -0.12), stretch=40, reach=0.26, gap=0.008, ribbon=0.043)
_FOLIA: Final = Folds(centre=(0.36, 0.17), rounds=2, stretch=40, reach=0.11, gap=0.0028, ribbon=0.020)
_HEAD: Final[tuple[Point, ...]] = (
    (0.05, -0.92), (-0.30, -0.85), (-0.58, -0.63), (-0.70, -0.36), (-0.71, -0.18), (-0.78, 0.0),
    (-0.90, 0.14), (-0.84, 0.21), (-0.75, 0.22), (-0.78, 0.31), (-0.74, 0.37), (-0.77, 0.44),
    (-0.72, 0.52), (-0.74, 0.63), (-0.64, 0.70), (-0.46, 0.72), (-0.36, 0.82), (-0.34, 1.1), (0.50, 1.1),
    (0.52, 0.75), (0.62, 0.50), (0.76, 0.28), (0.84, -0.02), (0.80, -0.38), (0.64, -0.68), (0.38, -0.86),
)  # fmt: skip
_CAVITY: Final[tuple[Point, ...]] = (
    (0.05, -0.80), (-0.28, -0.73), (-0.52, -0.53), (-0.61, -0.28), (-0.56, -0.11), (-0.42, -0.05),
    (-0.27, -0.02), (-0.19, 0.04), (-0.165, 0.10), (-0.12, 0.115), (-0.075, 0.09), (-0.055, 0.05),
    (-0.02, 0.14), (0.03, 0.27), (0.09, 0.40), (0.13, 0.60), (0.16, 1.1), (0.31, 1.1), (0.28, 0.60),
    (0.30, 0.43), (0.46, 0.40), (0.62, 0.28), (0.72, 0.05), (0.72, -0.30), (0.58, -0.58), (0.35, -0.74),
)  # fmt: skip
_CEREBRUM: Final[tuple[Point, ...]] = (
    (0.05, -0.78), (-0.27, -0.71), (-0.50, -0.52), (-0.59, -0.28), (-0.54, -0.13), (-0.41, -0.08),
    (-0.27, -0.05), (-0.15, -0.01), (-0.05, 0.0), (0.08, -0.04), (0.24, -0.06), (0.36, -0.03),
    (0.50, 0.05), (0.66, 0.10), (0.70, 0.03), (0.70, -0.29), (0.565, -0.565), (0.34, -0.72),
)  # fmt: skip
_CALLOSUM: Final[tuple[Point, ...]] = (
    (-0.185, -0.105), (-0.255, -0.13), (-0.30, -0.20), (-0.27, -0.285), (-0.15, -0.345), (0.03, -0.365),
    (0.20, -0.325), (0.315, -0.245), (0.36, -0.16), (0.325, -0.115), (0.27, -0.15), (0.22, -0.22),
    (0.13, -0.275), (0.0, -0.305), (-0.13, -0.285), (-0.215, -0.23), (-0.225, -0.17),
)  # fmt: skip
_CENTRE: Final[tuple[Point, ...]] = (
    (-0.215, -0.20), (-0.12, -0.28), (0.0, -0.30), (0.13, -0.27), (0.22, -0.21), (0.28, -0.13),
    (0.20, -0.06), (0.08, -0.02), (-0.06, 0.0), (-0.15, -0.03), (-0.20, -0.10),
)  # fmt: skip
_VENTRICLE: Final[tuple[Point, ...]] = (
    (-0.20, -0.19), (-0.12, -0.265), (0.0, -0.285), (0.12, -0.26), (0.20, -0.205), (0.11, -0.205),
    (0.0, -0.205), (-0.10, -0.17), (-0.15, -0.12),
)  # fmt: skip
_STEM: Final[tuple[Point, ...]] = (
    (0.02, -0.03), (0.12, -0.07), (0.165, -0.02), (0.165, 0.08), (0.165, 0.20), (0.19, 0.36),
    (0.22, 0.60), (0.25, 1.1), (0.18, 1.1), (0.165, 0.60), (0.125, 0.38), (0.085, 0.28), (0.02, 0.23),
    (-0.01, 0.15), (0.01, 0.06),
)  # fmt: skip
_CEREBELLUM: Final[tuple[Point, ...]] = (
    (0.21, 0.01), (0.30, -0.02), (0.42, 0.03), (0.53, 0.11), (0.615, 0.18), (0.58, 0.28), (0.46, 0.355),
    (0.33, 0.37), (0.235, 0.31), (0.215, 0.22), (0.255, 0.165), (0.22, 0.09),
)  # fmt: skip
_ARBOR: Final[tuple[tuple[Point, ...], ...]] = (
    ((0.27, 0.165), (0.38, 0.16), (0.50, 0.19)),
    ((0.34, 0.16), (0.36, 0.09), (0.33, 0.04)),
    ((0.38, 0.16), (0.45, 0.11)),
    ((0.32, 0.17), (0.36, 0.26), (0.33, 0.32)),
    ((0.40, 0.165), (0.46, 0.25)),
)


def draw(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    """Paint a sagittal head; ``along`` is the position in the stack, about [-1, 1], the midline at 0."""
    paint_scalp(canvas, anatomy, closed_curve(_HEAD), along)
    _paint_face(canvas, anatomy, along)
    _paint_neck(canvas)
    paint_cavity(canvas, anatomy, closed_curve(_CAVITY), along)
    fissures = canvas.away(
        [
            [
                (-0.21, -0.07), (-0.33, -0.10), (-0.38, -0.21), (-0.33, -0.34), (-0.17, -0.42), (0.04, -0.44),
                (0.23, -0.42), (0.32, -0.52),
            ],
            [(0.40, -0.12), (0.48, -0.24), (0.54, -0.42)],
            [(0.46, -0.20), (0.58, -0.16), (0.68, -0.10)],
        ]
    )  # fmt: skip
    cerebrum = canvas.depth(closed_curve(_CEREBRUM))
    canvas.white = paint_folded(canvas, cerebrum, fissures, folds=_FOLDS, anatomy=anatomy, along=along)
    _paint_centre(canvas, anatomy, along)
    _paint_hindbrain(canvas, anatomy, along)
    canvas.brain = np.maximum(cerebrum, canvas.depth(closed_curve(_CEREBELLUM)))
    _paint_sella(canvas)


def _paint_centre(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    centre = canvas.area(closed_curve(_CENTRE))
    canvas.paint(centre, "csf")
    canvas.white = canvas.white * (1 - centre)
    aside = along**2
    canvas.fill(oval((0.03, -0.13), (0.13 + 0.03 * aside, 0.07 + 0.03 * aside), tilt=6), "grey")
    canvas.fill(oval((-0.13, -0.06), (0.05, 0.04)), "grey", 0.8)
    canvas.fill(oval((0.09, -0.04), (0.10, 0.04)), "white")
    middle = np.array([0.0, -0.27])
    scale = np.array([1.0, anatomy.ventricles * (1 + 0.1 * along + 0.4 * aside)])
    canvas.fill((closed_curve(_VENTRICLE) - middle) * scale + middle, "csf")
    canvas.fill(oval((0.02, -0.215), (0.14, 0.012), tilt=4), "white", 0.7)
    canvas.fill(closed_curve(_CALLOSUM), "white")
    canvas.fill(oval((0.22, -0.075), (0.03, 0.02), tilt=20), "gland")
    canvas.fill(oval((0.37, -0.07), (0.075, 0.014), tilt=24), "vessel", 0.8)


def _paint_hindbrain(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    cerebellum = canvas.depth(closed_curve(_CEREBELLUM))
    paint_folded(canvas, cerebellum, np.ones_like(cerebellum), folds=_FOLIA, anatomy=anatomy, along=along)
    inner = canvas.within(cerebellum - np.float32(0.055), 3)
    canvas.paint(inner, "grey")
    branches = canvas.within(np.float32(0.013) - canvas.away(_ARBOR), 2)
    canvas.paint(branches * canvas.within(cerebellum - np.float32(0.02)), "white")
    axis = np.array([0.12, 0.0])
    canvas.fill((closed_curve(_STEM) - axis) * np.array([1 - 0.35 * along**2, 1.0]) + axis, "white")
    canvas.fill(oval((0.045, 0.14), (0.045, 0.085), tilt=-10), "grey", 0.35)
    wide = (0.7 + 0.3 * anatomy.ventricles) * (1 - 0.6 * along**2)
    apex = np.array([0.17, 0.16])
    ventricle = np.array([(0.165, 0.06), (0.25, 0.165), (0.185, 0.28)])
    canvas.fill((ventricle - apex) * np.array([wide, 1.0]) + apex, "csf")


def _paint_face(canvas: Canvas, anatomy: Anatomy, along: float) -> None:
    canvas.fill(oval((-0.56, 0.40), (0.20, 0.30)), "muscle")
    canvas.fill(oval((-0.42, 0.10), (0.30, 0.16), tilt=8), "bone")
    canvas.fill(oval((-0.50, 0.10), (0.17, 0.085), tilt=8), "mucosa")
    for y in (0.04, 0.10, 0.155):
        canvas.fill(oval((-0.50, y + 0.01), (0.16, 0.017), tilt=7), "air")
    canvas.fill(oval((-0.58, -0.19), (0.05, 0.07 * anatomy.bone * (1 - 0.3 * along)), tilt=-15), "air")
    canvas.fill(oval((-0.20, 0.19), (0.10 * anatomy.bone, 0.075 - 0.015 * along), tilt=15), "air")
    canvas.fill(oval((-0.50, 0.235), (0.22, 0.018), tilt=3), "bone")
    canvas.fill(oval((-0.47, 0.40), (0.20, 0.13), tilt=12), "muscle")
    canvas.fill(oval((-0.45, 0.37), (0.16, 0.07), tilt=12), "skin", 0.5)
    canvas.fill(oval((-0.67, 0.58), (0.045, 0.075), tilt=10), "bone")
    canvas.fill(oval((-0.67, 0.58), (0.026, 0.052), tilt=10), "marrow")
    canvas.fill(oval((-0.52, 0.29), (0.15, 0.010), tilt=6), "air")


def _paint_neck(canvas: Canvas) -> None:
    canvas.fill(oval((-0.02, 0.75), (0.30, 0.55)), "muscle")
    canvas.fill(oval((0.42, 0.72), (0.13, 0.36), tilt=4), "muscle")
    canvas.fill(
        closed_curve([(-0.27, 0.24), (-0.17, 0.30), (-0.15, 0.6), (-0.13, 1.1), (-0.22, 1.1), (-0.24, 0.6)]),
        "air",
    )
    canvas.fill(
        closed_curve([(-0.10, 0.16), (-0.05, 0.12), (0.03, 0.30), (0.06, 0.40), (0.0, 0.40), (-0.06, 0.28)]),
        "marrow",
    )
    canvas.fill(closed_curve([(0.0, 0.42), (0.08, 0.42), (0.10, 0.66), (0.0, 0.66)]), "marrow")
    for y in (0.76, 0.91):
        canvas.fill(oval((0.06, y), (0.068, 0.062)), "bone")
        canvas.fill(oval((0.06, y), (0.056, 0.052)), "marrow")
    canvas.fill(oval((0.38, 0.55), (0.07, 0.035), tilt=10), "marrow")
    canvas.fill(oval((0.40, 0.74), (0.07, 0.03), tilt=15), "marrow")


def _paint_sella(canvas: Canvas) -> None:
    canvas.fill(oval((-0.12, 0.03), (0.008, 0.055), tilt=10), "gland")
    canvas.fill(oval((-0.12, 0.093), (0.042, 0.023)), "gland")
    canvas.fill(oval((-0.02, 0.09), (0.011, 0.07), tilt=-14), "flow")
