"""Paint textbook examples of the three tumours on a finished head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from gadolin.phantoms.anatomy import Anatomy
from gadolin.phantoms.canvas import Canvas, Field, Point

__all__ = ["Lesion", "draw_lesion", "paint_lesion"]

# Possible centres of a glioma, in the white matter of the lobes, by stack.
_WHITE_SITES: Final[Mapping[str, tuple[Point, ...]]] = {
    "sagittal": ((-0.36, -0.38), (-0.12, -0.54), (0.18, -0.55), (0.44, -0.38), (0.50, -0.14)),
    "coronal": ((0.27, -0.42), (0.40, -0.25), (0.36, 0.14), (-0.27, -0.42), (-0.40, -0.25), (-0.36, 0.14)),
    "axialhigh": ((0.27, -0.42), (0.38, -0.20), (0.38, 0.22), (0.30, 0.45),
                  (-0.27, -0.42), (-0.38, -0.20), (-0.38, 0.22), (-0.30, 0.45)),
    "axiallow": ((0.40, -0.10), (-0.40, -0.10), (0.24, 0.44), (-0.24, 0.44), (0.37, -0.05), (-0.37, -0.05)),
}  # fmt: skip
# Possible sites of a meningioma on the dura: directions in degrees from the middle of the cavity, y down.
_DURA_SITES: Final[Mapping[str, tuple[tuple[float, float], ...]]] = {
    "sagittal": ((-160, -20), (168, 184), (-100, -60)),
    "coronal": ((-172, -8), (-112, -68), (150, 176), (4, 30)),
    "axialhigh": ((-180, 180),),
    "axiallow": ((-28, 8), (172, 208), (60, 120)),
}
_CAVITY_MIDDLE: Final[Mapping[str, Point]] = {
    "sagittal": (0.05, -0.28),
    "coronal": (0.0, -0.22),
    "axialhigh": (0.0, 0.0),
    "axiallow": (0.0, 0.12),
}
_SELLA: Final[Mapping[str, Point]] = {
    "sagittal": (-0.12, 0.085),
    "coronal": (0.0, 0.20),
    "axialhigh": (0.0, -0.125),
    "axiallow": (0.0, -0.125),
}
_RADII: Final[Mapping[str, tuple[float, float]]] = {
    "glioma": (0.13, 0.23),
    "meningioma": (0.13, 0.23),
    "pituitary": (0.08, 0.13),
}
_WAVES: Final = 8
_TURNS: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Lesion:
    """One patient's tumour.

    ``centre`` is in head units for glioma and pituitary; a meningioma is on the dura in ``direction``, in
    radians, and the rim of a glioma is thick on that side. ``outline`` has shape (2, 8), float32: cosine and
    sine coefficients of the outline. ``rim`` and ``oedema`` are widths in head units; a ``push`` above 1
    displaces the surrounding brain; ``waist`` is the size of the upper part of an adenoma relative to ``radius``.
    """

    label: str
    centre: Point
    direction: float
    radius: float
    outline: Field
    rim: float
    oedema: float
    push: float
    waist: float


def draw_lesion(label: str, stack: str, rng: np.random.Generator) -> Lesion:
    """Draw a tumour of class ``label`` for a stack ("sagittal", "coronal", "axialhigh" or "axiallow")."""
    sites = _DURA_SITES[stack]
    low, high = sites[int(rng.integers(len(sites)))]
    direction = float(np.deg2rad(rng.uniform(low, high)))
    places = _WHITE_SITES[stack]
    middle = places[int(rng.integers(len(places)))] if label == "glioma" else _SELLA[stack]
    spread = 0.04 if label == "glioma" else 0.008
    centre = (middle[0] + float(rng.normal(0, spread)), middle[1] + float(rng.normal(0, spread)))
    roughness = 0.07 if label == "glioma" else 0.028
    waves = rng.normal(0, roughness, (2, _WAVES)) / np.arange(1, _WAVES + 1) ** 0.8
    return Lesion(
        label=label,
        centre=centre,
        direction=direction,
        radius=float(rng.uniform(*_RADII[label])),
        outline=waves.astype(np.float32),
        rim=float(rng.uniform(0.026, 0.055)),
        oedema=float(rng.uniform(0.07, 0.19)),
        push=float(rng.uniform(1.05, 1.35)),
        waist=float(rng.uniform(0.45, 0.8)),
    )


def paint_lesion(canvas: Canvas, anatomy: Anatomy, lesion: Lesion, along: float) -> Field:
    """Paint ``lesion``; return its share of each pixel, (H, W) float32 in [0, 1], without oedema and tail.

    ``along`` is the position in the stack, about [-1, 1]; the middle of the lesion is at 0.
    """
    radius = lesion.radius * float(np.sqrt(max(1 - 0.45 * along**2, 0.3)))
    grain = np.asarray(cv2.resize(anatomy.grain, (canvas.size, canvas.size)), np.float32)
    if lesion.label == "glioma":
        return _paint_glioma(canvas, lesion, radius=radius, along=along, grain=grain)
    if lesion.label == "meningioma":
        stack = anatomy.plane + anatomy.level
        return _paint_meningioma(canvas, lesion, radius=radius, along=along, middle=_CAVITY_MIDDLE[stack])
    return _paint_adenoma(canvas, lesion, anatomy=anatomy, radius=radius, along=along)


def _paint_glioma(canvas: Canvas, lesion: Lesion, *, radius: float, along: float, grain: Field) -> Field:
    inside_brain = canvas.within(canvas.brain)
    _push(canvas, lesion.centre, reach=2.1 * radius, strength=lesion.push)
    depth = _depth(canvas, lesion, centre=lesion.centre, radius=radius, along=along) + np.float32(0.006) * grain
    uneven = np.clip(np.roll(grain, canvas.size // 3, axis=0), -1, 1)
    fingers = np.float32(lesion.oedema) * (1 + np.float32(0.45) * uneven)
    swollen = canvas.within(depth + fingers, 5) * np.clip(np.float32(0.15) + canvas.white, 0, 1) * inside_brain
    canvas.paint(swollen, "oedema")
    mask = canvas.within(depth) * inside_brain
    canvas.paint(canvas.within(depth, 2) * inside_brain, "rim")
    rim = np.float32(lesion.rim) * (1 + np.float32(0.45) * np.roll(grain, canvas.size // 5, axis=1))
    x, y = canvas.x - np.float32(lesion.centre[0]), canvas.y - np.float32(lesion.centre[1])
    ahead = x * np.float32(np.cos(lesion.direction)) + y * np.float32(np.sin(lesion.direction))
    rim += np.maximum(ahead, 0) * np.float32(0.4)
    core = canvas.within(depth - np.maximum(rim, np.float32(0.008)), 2) * inside_brain
    canvas.paint(core, "core")
    canvas.image += core * np.float32(0.035) * grain
    return mask


def _paint_meningioma(canvas: Canvas, lesion: Lesion, *, radius: float, along: float, middle: Point) -> Field:
    base = _on_dura(canvas, middle, lesion.direction)
    inwards = 0.42 * radius
    towards = np.array([middle[0] - base[0], middle[1] - base[1]])
    towards = towards / np.hypot(*towards)
    centre = (base[0] + inwards * float(towards[0]), base[1] + inwards * float(towards[1]))
    inside = canvas.within(canvas.cavity - np.float32(0.004))
    _push(canvas, centre, reach=1.7 * radius, strength=lesion.push)
    depth = _depth(canvas, lesion, centre=centre, radius=radius, along=along)
    canvas.paint(canvas.within(depth + np.float32(0.014), 2) * inside * np.float32(0.7), "csf")
    near = canvas.within(
        np.float32(1.45 * radius) - cv2.magnitude(canvas.x - np.float32(base[0]), canvas.y - np.float32(base[1])),
        8,
    )
    tail = near * canvas.within(np.float32(0.016) - np.abs(canvas.cavity - np.float32(0.008)), 2)
    canvas.paint(tail * np.float32(0.8), "meningioma")
    mask = canvas.within(depth) * inside
    canvas.paint(mask, "meningioma")
    return mask


def _paint_adenoma(canvas: Canvas, lesion: Lesion, *, anatomy: Anatomy, radius: float, along: float) -> Field:
    below = _depth(canvas, lesion, centre=lesion.centre, radius=0.86 * radius, along=along)
    if anatomy.plane != "axial":  # the part above the waist, beyond the diaphragm
        above = (lesion.centre[0], lesion.centre[1] - 0.95 * radius)
        below = np.maximum(below, _depth(canvas, lesion, centre=above, radius=lesion.waist * radius, along=along))
    mask = canvas.within(below)
    canvas.paint(canvas.within(below + np.float32(0.010), 2) * np.float32(0.6), "csf")
    canvas.paint(mask, "adenoma")
    return mask


def _depth(canvas: Canvas, lesion: Lesion, *, centre: Point, radius: float, along: float) -> Field:
    """Return the depth below the lesion's wavy outline, (H, W) float32 in head units, negative outside."""
    x, y = canvas.x - np.float32(centre[0]), canvas.y - np.float32(centre[1])
    distance, angle = cv2.cartToPolar(x, y)
    turns = np.arange(_TURNS) * (2 * np.pi / _TURNS)
    orders = np.arange(2, 2 + _WAVES)[:, None]
    phase = orders * turns[None, :] + 0.35 * along * np.sqrt(orders)
    ripple = (lesion.outline[0][:, None] * np.cos(phase) + lesion.outline[1][:, None] * np.sin(phase)).sum(0)
    edge = np.asarray(radius * np.clip(1 + ripple, 0.55, 1.5), np.float32)
    return edge[(angle * np.float32(_TURNS / (2 * np.pi))).astype(np.int32) % _TURNS] - distance


def _on_dura(canvas: Canvas, middle: Point, direction: float) -> Point:
    """Return where a ray from ``middle`` meets the inner skull."""
    steps = np.linspace(0, 1.2, 481)
    x, y = middle[0] + steps * np.cos(direction), middle[1] + steps * np.sin(direction)
    column = np.clip(((x + 1) * canvas.size / 2).astype(int), 0, canvas.size - 1)
    row = np.clip(((y + 1) * canvas.size / 2).astype(int), 0, canvas.size - 1)
    last = int(np.argmax(canvas.cavity[row, column] <= 0))
    return float(x[last]), float(y[last])


def _push(canvas: Canvas, centre: Point, *, reach: float, strength: float) -> None:
    """Displace the brain outwards around ``centre``, within ``reach`` and inside the skull."""
    x, y = canvas.x - np.float32(centre[0]), canvas.y - np.float32(centre[1])
    share = np.clip(cv2.magnitude(x, y) / np.float32(reach), np.float32(1e-3), np.float32(1))
    pull = cv2.pow(share, strength - 1)
    half = np.float32(canvas.size / 2)
    map_x = (x * pull + np.float32(centre[0] + 1)) * half - np.float32(0.5)
    map_y = (y * pull + np.float32(centre[1] + 1)) * half - np.float32(0.5)
    moved = cv2.remap(canvas.image, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    canvas.image += (moved - canvas.image) * canvas.within(canvas.cavity - np.float32(0.01))
