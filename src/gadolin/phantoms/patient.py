"""The slices of a phantom patient: one anatomy, lesion and examination, at neighbouring positions of a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError, suggestion
from gadolin.phantoms import axial, coronal, sagittal
from gadolin.phantoms.anatomy import Anatomy, draw_anatomy
from gadolin.phantoms.canvas import Canvas
from gadolin.phantoms.lesion import Lesion, draw_lesion, paint_lesion
from gadolin.phantoms.scanner import Scan, draw_scan, pose, posed, scanned

__all__ = ["CLASSES", "HEADS", "SMALLEST_SIZE", "Phantom", "draw_patient", "require_at_least"]

CLASSES: Final = ("glioma", "meningioma", "notumor", "pituitary")
SMALLEST_SIZE: Final = 64

_SPAN_MM: Final = 18.0
_SPACING_MM: Final = 5.0
HEADS: Final[Mapping[str, Callable[[Canvas, Anatomy, float], None]]] = {
    "sagittal": sagittal.draw,
    "coronal": coronal.draw,
    "axialhigh": axial.draw_high,
    "axiallow": axial.draw_low,
}


@dataclass(frozen=True, slots=True, eq=False)
class Phantom:
    """One synthetic slice.

    ``pixels`` has shape (H, W), uint8, [0, 255]; ``mask`` is the true outline of the tumour on the same
    grid, (H, W) bool, without oedema, all false for "notumor". ``label`` is one of CLASSES, ``plane`` one of
    "axial", "coronal" and "sagittal"; ``position`` is the distance in mm from the middle of the stack.
    """

    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    label: str
    plane: str
    patient: str
    position: float


def draw_patient(label: str, patient: int, *, seed: int = 0, slices: int = 4, size: int = 256) -> list[Phantom]:
    """Draw the slices of one patient, each ``size`` x ``size`` pixels.

    The same arguments give the same bytes. Anatomy and examination depend only on ``seed`` and ``patient``,
    so that two classes of one patient differ only in the lesion; the exception is an axial stack, which for
    "pituitary" always passes through the gland.

    Raises RequestError for an unknown label, a negative number or seed, no slices, or a size below 64.
    """
    _check(label, patient, seed=seed, slices=slices, size=size)
    streams = [np.random.default_rng(part) for part in np.random.SeedSequence((seed, patient)).spawn(3)]
    anatomy = draw_anatomy(streams[0], through_sella=label == "pituitary")
    lesion = None if label == "notumor" else draw_lesion(label, anatomy.plane + anatomy.level, streams[1])
    scan = draw_scan(streams[2])
    spacing = min(_SPACING_MM, _SPAN_MM / max(slices - 1, 1))
    drawn = []
    for number in range(slices):
        position = (number - (slices - 1) / 2) * spacing
        noise = streams[2].standard_normal((2, size, size), np.float32)
        pixels, mask = _draw_slice(anatomy, lesion, scan, along=2 * position / _SPAN_MM, noise=noise)
        name = f"s{seed}p{patient:04d}"
        drawn.append(
            Phantom(pixels=pixels, mask=mask, label=label, plane=anatomy.plane, patient=name, position=position)
        )
    return drawn


def _draw_slice(
    anatomy: Anatomy, lesion: Lesion | None, scan: Scan, *, along: float, noise: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    size = noise.shape[1]
    canvas = Canvas(size, anatomy.tones)
    HEADS[anatomy.plane + anatomy.level](canvas, anatomy, along)
    maps = pose(anatomy, size, along)
    mask = np.zeros((size, size), np.bool_)
    if lesion is not None:
        mask = posed(paint_lesion(canvas, anatomy, lesion, along), maps) >= 0.5
    grain = np.asarray(cv2.resize(anatomy.grain, (size, size)), np.float32)
    coarse = np.where(canvas.cavity > 0, np.float32(0.03), np.float32(0.09))
    textured = canvas.image * (1 + coarse * grain)
    return scanned(posed(textured, maps), scan, noise), mask


def _check(label: str, patient: int, *, seed: int, slices: int, size: int) -> None:
    if label not in CLASSES:
        raise RequestError(
            code="class_unknown",
            rule=f"a label must be one of {', '.join(CLASSES)}",
            got=f"got {label!r}{suggestion(label, CLASSES)}",
        )
    require_at_least("patient", patient, 0)
    require_at_least("seed", seed, 0)
    require_at_least("slices", slices, 1)
    require_at_least("size", size, SMALLEST_SIZE)


def require_at_least(name: str, value: int, bound: int) -> None:
    """Raise RequestError if a value is below its bound."""
    if value < bound:
        raise RequestError(
            code="value_out_of_range",
            rule=f"{name} must be at least {bound}",
            got=f"got {value}",
            remedy=f"use {bound} or more",
        )
