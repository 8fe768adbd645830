"""The layers around the brain: skin, fat, bone, dura and fluid."""

from __future__ import annotations

import numpy as np

from gadolin.phantoms.anatomy import Anatomy, around
from gadolin.phantoms.canvas import Canvas, Curve

__all__ = ["paint_cavity", "paint_scalp"]


def paint_scalp(canvas: Canvas, anatomy: Anatomy, head: Curve, along: float) -> None:
    """Paint the soft tissue inside the closed curve ``head``: skin, then fat, then muscle.

    The thickness of the fat varies around the head and, with ``along``, from slice to slice.
    """
    depth = canvas.depth(head)
    skin, fat = 0.014, 0.014 + 0.055 * anatomy.scalp
    uneven = around(canvas.x, canvas.y, anatomy.grain, row=40, along=along)
    thick = np.float32(fat) * (1 + np.float32(0.25) * uneven)
    canvas.paint(canvas.within(depth), "skin")
    canvas.paint(canvas.within(depth - np.float32(skin)), "fat")
    canvas.paint(canvas.within(depth - thick, 2), "muscle")


def paint_cavity(canvas: Canvas, anatomy: Anatomy, cavity: Curve, along: float) -> None:
    """Paint the skull around the closed curve ``cavity``, and the dura and the fluid inside; set ``canvas.cavity``.

    The thickness of the skull varies around the head and, with ``along``, from slice to slice.
    """
    canvas.cavity = canvas.depth(cavity, outside=True)
    uneven = around(canvas.x, canvas.y, anatomy.grain, row=90, along=along)
    bone = np.float32(0.062 * anatomy.bone) * (1 + np.float32(0.12) * uneven)
    outside = -canvas.cavity
    marrow = np.minimum(outside - np.float32(0.016), bone - outside - np.float32(0.014))
    canvas.paint(canvas.within(bone - outside), "bone")
    canvas.paint(canvas.within(marrow, 2) * np.clip(np.float32(0.65) + np.float32(0.3) * uneven, 0, 1), "marrow")
    canvas.paint(canvas.within(np.float32(0.004) - outside), "dura")
    canvas.paint(canvas.within(np.float32(-0.006) - outside), "csf")
