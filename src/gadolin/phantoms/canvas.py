"""A square canvas in head coordinates, on which tissues are painted over each other.

Head coordinates run from -1 to 1, x to the right and y down, independent of the size in pixels, so that the
same head is drawn at every size. One unit is about 95 mm.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

__all__ = ["Canvas", "Curve", "Field", "Point", "closed_curve", "mirrored", "oval"]

Field = NDArray[np.float32]
Point = tuple[float, float]
Curve = NDArray[np.float64]

_SUBPIXEL_BITS: Final = 4
_CIRCLE: Final = np.stack([np.cos(np.arange(48) * (np.pi / 24)), np.sin(np.arange(48) * (np.pi / 24))])


class Canvas:
    """A canvas of ``size`` x ``size`` pixels and the tones of its tissues.

    ``image`` has shape (H, W), float32, about [0, 1]; ``x`` and ``y`` hold the head coordinates of the
    pixel centres, same shape; ``pixel`` is the side of a pixel in head units. ``cavity`` and ``brain`` are
    the depths in head units below the inner skull and below the brain surface (negative outside);
    ``white`` is the share of white matter in each pixel, [0, 1]. These three are zero until a head is drawn.
    """

    def __init__(self, size: int, tones: Mapping[str, float]) -> None:
        axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - np.float32(1)
        self.size = size
        self.pixel = 2 / size
        self.tones = tones
        self.x: Field = np.tile(axis[None, :], (size, 1))
        self.y: Field = np.tile(axis[:, None], (1, size))
        self.image: Field = np.full((size, size), tones["air"], np.float32)
        self.cavity: Field = np.zeros((size, size), np.float32)
        self.brain: Field = np.zeros((size, size), np.float32)
        self.white: Field = np.zeros((size, size), np.float32)

    def area(self, curve: Curve) -> Field:
        """Return the share, (H, W) float32 in [0, 1], of each pixel inside a closed ``curve``, (N, 2)."""
        sheet = np.zeros((self.size, self.size), np.uint8)
        cv2.fillPoly(sheet, [self._fixed_point(curve)], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
        return sheet.astype(np.float32) * np.float32(1 / 255)

    def away(self, lines: Sequence[Sequence[Point]]) -> Field:
        """Return the distance to the nearest of the open ``lines``, (H, W) float32 in head units."""
        sheet = np.full((self.size, self.size), 255, np.uint8)
        for line in lines:
            points = self._fixed_point(np.asarray(line, np.float64))
            cv2.polylines(sheet, [points], False, (0,), 1, cv2.LINE_8, _SUBPIXEL_BITS)
        return self._distance(sheet)

    def depth(self, curve: Curve, *, outside: bool = False) -> Field:
        """Return the depth below a closed ``curve``, (H, W) float32 in head units.

        Negative outside the curve: the distance to it if ``outside`` is set, else one pixel.
        """
        inside = np.zeros((self.size, self.size), np.uint8)
        points = self._fixed_point(curve)
        cv2.fillPoly(inside, [points], (255,), cv2.LINE_8, _SUBPIXEL_BITS)
        if outside:
            return self._distance(inside) - self._distance(255 - inside)
        part = self._box(points)
        depth = np.full((self.size, self.size), -self.pixel, np.float32)
        near = self._distance(np.ascontiguousarray(inside[part]))
        near[inside[part] == 0] = -self.pixel
        depth[part] = near
        return depth

    def within(self, field: Field, soft: float = 1.0) -> Field:
        """Return the share in [0, 1] of each pixel where ``field`` is positive, with an edge ``soft`` pixels wide."""
        share: Field = field * np.float32(1 / (soft * self.pixel))
        share += np.float32(0.5)
        return np.clip(share, 0, 1, out=share)

    def paint(self, share: Field, tissue: str) -> None:
        """Cover ``share``, (H, W) in [0, 1], of each pixel with the tone of ``tissue``."""
        self.image += (np.float32(self.tones[tissue]) - self.image) * share

    def fill(self, curve: Curve, tissue: str, share: float = 1.0) -> None:
        """Cover ``share`` of the inside of a closed ``curve``, (N, 2), with the tone of ``tissue``."""
        points = self._fixed_point(curve)
        rows, columns = part = self._box(points)
        if rows.start >= rows.stop or columns.start >= columns.stop:
            return
        image = self.image[part]
        sheet = np.zeros(image.shape, np.uint8)
        points = points - (np.array([columns.start, rows.start], np.int32) << _SUBPIXEL_BITS)
        cv2.fillPoly(sheet, [points], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
        image += (np.float32(self.tones[tissue]) - image) * (sheet * np.float32(share / 255))

    def _box(self, points: NDArray[np.int32]) -> tuple[slice, slice]:
        """Return the rows and columns that a curve in fixed-point pixels can touch, with a margin of two."""
        x, y, width, height = cv2.boundingRect(points)
        (top, bottom), (left, right) = (
            (max((start >> _SUBPIXEL_BITS) - 2, 0), min(((start + length) >> _SUBPIXEL_BITS) + 3, self.size))
            for start, length in ((y, height), (x, width))
        )
        return slice(top, bottom), slice(left, right)

    def _fixed_point(self, curve: Curve) -> NDArray[np.int32]:
        pixels = (curve + 1) * (self.size / 2) - 0.5
        return np.asarray(np.rint(pixels * 2**_SUBPIXEL_BITS), np.int32)

    def _distance(self, sheet: NDArray[np.uint8]) -> Field:
        distance = np.asarray(cv2.distanceTransform(sheet, cv2.DIST_L2, cv2.DIST_MASK_5), np.float32)
        distance *= np.float32(self.pixel)
        return distance


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
    """Return an oval, (48, 2) float64, turned by ``tilt`` degrees; ``taper`` widens its lower end."""
    turn = math.radians(tilt)
    cosine, sine = math.cos(turn), math.sin(turn)
    x = _CIRCLE[0] * (radii[0] + radii[0] * taper * _CIRCLE[1])
    y = _CIRCLE[1] * radii[1]
    curve = np.empty((len(x), 2))
    curve[:, 0] = centre[0] + x * cosine - y * sine
    curve[:, 1] = centre[1] + x * sine + y * cosine
    return curve


def mirrored(curve: Curve) -> tuple[Curve, Curve]:
    """Return ``curve`` and its mirror image across the midline x = 0."""
    return curve, curve * np.array([-1.0, 1.0])
