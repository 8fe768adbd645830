"""A square sheet in head coordinates, on which tissues are painted one over the other.

Head coordinates run from -1 to 1, x to the right and y downwards, whatever the size in pixels, so that the
same head is drawn at every size. One unit is about 95 mm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "Curve", "Field", "Point", "closed_curve", "mirrored", "oval"]

Field = NDArray[np.float32]
Point = tuple[float, float]
Curve = NDArray[np.float64]

_SUBPIXEL_BITS = 4


class Canvas:
    """A sheet of ``size`` x ``size`` pixels and the tones of its tissues.

    ``image`` has shape (H, W), float32, about [0, 1]; ``x`` and ``y`` hold the head coordinates of the pixel
    centres, same shape; ``pixel`` is the side of a pixel in head units. ``cavity`` and ``brain`` are the depths
    in head units below the inner skull and below the brain's surface (negative outside); ``white`` is the share
    of white matter in each pixel, [0, 1]. These three are zero until a head is drawn.
    """

    def __init__(self, size: int, tones: Mapping[str, float]) -> None:
        axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - np.float32(1)
        self.size = size
        self.pixel = 2 / size
        self.tones = tones
        self.x: Field = np.broadcast_to(axis[None, :], (size, size))
        self.y: Field = np.broadcast_to(axis[:, None], (size, size))
        self.image: Field = np.full((size, size), tones["air"], np.float32)
        self.cavity: Field = np.zeros((size, size), np.float32)
        self.brain: Field = np.zeros((size, size), np.float32)
        self.white: Field = np.zeros((size, size), np.float32)

    def area(self, curve: Curve) -> Field:
        """Return the share of each pixel, (H, W) float32 in [0, 1], inside a closed ``curve`` of (N, 2) points."""
        sheet = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(sheet, [self._fixed_point(curve)], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
        return sheet.astype(np.float32) * np.float32(1 / 255)

    def away(self, lines: Sequence[Sequence[Point]]) -> Field:
        """Return the distance of each pixel to the nearest of the open ``lines``, (H, W) float32 in head units."""
        sheet = np.full((self.size, self.size), 255, np.uint8)
        for line in lines:
            points = self._fixed_point(np.asarray(line, np.float64))
            cv2.polylines(sheet, [points], False, (0,), 1, cv2.LINE_8, _SUBPIXEL_BITS)
        return self._distance(sheet)

    def depth(self, curve: Curve) -> Field:
        """Return the depth below a closed ``curve``, (H, W) float32 in head units, negative outside."""
        inside = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(inside, [self._fixed_point(curve)], (255,), cv2.LINE_8, _SUBPIXEL_BITS)
        return self._distance(inside) - self._distance(255 - inside)

    def within(self, field: Field, soft: float = 1.0) -> Field:
        """Return where ``field`` is positive as shares in [0, 1], the edge ``soft`` pixels wide."""
        return np.clip(field * np.float32(1 / (soft * self.pixel)) + np.float32(0.5), 0, 1)

    def paint(self, share: Field, tissue: str) -> None:
        """Cover ``share``, (H, W) in [0, 1], of each pixel with the tone of ``tissue``."""
        self.image += (np.float32(self.tones[tissue]) - self.image) * share

    def fill(self, curve: Curve, tissue: str) -> None:
        """Cover the inside of a closed ``curve`` of (N, 2) points with the tone of ``tissue``."""
        self.paint(self.area(curve), tissue)

    def _fixed_point(self, curve: Curve) -> NDArray[np.int32]:
        pixels = (curve + 1) * (self.size / 2) - 0.5
        return np.rint(pixels * 2**_SUBPIXEL_BITS).astype(np.int32)

    def _distance(self, sheet: NDArray[np.uint8]) -> Field:
        # A distance stops at the sheet's edge, where nothing is drawn; an empty sheet is nowhere near.
        distance = cv2.distanceTransform(sheet, cv2.DIST_L2, cv2.DIST_MASK_5)
        return np.minimum(distance, np.float32(2 * self.size)) * np.float32(self.pixel)


def closed_curve(points: Sequence[Point], steps: int = 6) -> Curve:
    """Return a smooth closed curve, (N * steps, 2) float64, through the N ``points`` in order."""
    middle = np.asarray(points, np.float64)
    before, after = np.roll(middle, 1, 0), np.roll(middle, -1, 0)
    beyond = np.roll(middle, -2, 0)
    t = (np.arange(steps) / steps)[None, :, None]
    a, b, c, d = (part[:, None, :] for part in (before, middle, after, beyond))
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    return np.asarray(curve.reshape(-1, 2))


def oval(centre: Point, radii: Point, *, tilt: float = 0.0, taper: float = 0.0) -> Curve:
    """Return an oval, (48, 2) float64, turned by ``tilt`` degrees and, by ``taper``, wider at its lower end."""
    t = np.arange(48) * (2 * np.pi / 48)
    x = radii[0] * np.cos(t) * (1 + taper * np.sin(t))
    y = radii[1] * np.sin(t)
    turn = np.deg2rad(tilt)
    return np.stack(
        [centre[0] + x * np.cos(turn) - y * np.sin(turn), centre[1] + x * np.sin(turn) + y * np.cos(turn)], axis=1
    )


def mirrored(curve: Curve) -> tuple[Curve, Curve]:
    """Return ``curve`` and its mirror image across the midline x = 0."""
    return curve, curve * np.array([-1.0, 1.0])
