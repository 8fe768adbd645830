"""Random anatomy of a phantom patient, drawn once and used for all slices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import cv2
import numpy as np

from gadolin.phantoms.canvas import Field

__all__ = ["TEXTURE", "Anatomy", "around", "draw_anatomy", "periodic_noise"]

TEXTURE: Final = 256
_ROWS_ALONG: Final = 8  # rows of noise from the middle of a stack to its end

_CONTRAST: Final[Mapping[str, float]] = {
    "air": 0.012, "skin": 0.46, "fat": 0.80, "bone": 0.06, "marrow": 0.24, "muscle": 0.33, "mucosa": 0.58,
    "csf": 0.10, "grey": 0.36, "white": 0.56, "vessel": 0.84, "flow": 0.05, "dura": 0.50, "gland": 0.60,
    "choroid": 0.68, "eye": 0.16, "oedema": 0.35, "rim": 0.90, "core": 0.19, "meningioma": 0.80,
    "adenoma": 0.74,
}  # fmt: skip
_FLUID_DARK: Final[Mapping[str, float]] = {
    "air": 0.012, "skin": 0.40, "fat": 0.62, "bone": 0.05, "marrow": 0.20, "muscle": 0.26, "mucosa": 0.55,
    "csf": 0.08, "grey": 0.53, "white": 0.38, "vessel": 0.16, "flow": 0.05, "dura": 0.26, "gland": 0.52,
    "choroid": 0.50, "eye": 0.10, "oedema": 0.70, "rim": 0.84, "core": 0.24, "meningioma": 0.78,
    "adenoma": 0.74,
}  # fmt: skip

_PLANES: Final = (("sagittal", ""), ("coronal", ""), ("axial", "high"), ("axial", "low"))
_PLANE_SHARES: Final = (0.34, 0.30, 0.22, 0.14)
_FLUID_DARK_SHARE: Final = 0.12


@dataclass(frozen=True, slots=True, eq=False)
class Anatomy:
    """One patient's head, without a lesion.

    ``tones`` maps a tissue to its brightness, about [0, 1]. ``folds`` has shape (2, 256, 256), float32,
    periodic, mean 0: two cortex patterns that are blended along the stack. ``grain`` is
    (256, 256), float32, the same for smooth variation within a tissue. ``bend`` has shape (2, 2, 5, 5),
    float32, in head units: a coarse displacement and how it changes along the stack. The scales are around 1.
    """

    plane: str
    level: str
    tones: Mapping[str, float]
    folds: Field
    grain: Field
    bend: Field
    ventricles: float
    sulci: float
    scalp: float
    bone: float
    turn: float
    stretch: tuple[float, float]


def periodic_noise(rng: np.random.Generator, cycles: tuple[float, float], *, width: float = 0.3) -> Field:
    """Return periodic noise, (256, 256) float32, mean 0, deviation 1, of about ``cycles`` waves (y, x).

    A ``width`` near 0 makes regular waves; 1 makes blobs of many sizes.
    """
    spectrum = np.fft.rfft2(rng.standard_normal((TEXTURE, TEXTURE), np.float32)) * _envelope(cycles, width)
    noise = np.fft.irfft2(spectrum, (TEXTURE, TEXTURE))
    return np.asarray(noise / noise.std(), np.float32)


@cache
def _envelope(cycles: tuple[float, float], width: float) -> Field:
    frequency_y = np.fft.fftfreq(TEXTURE, 1 / TEXTURE)[:, None] / cycles[0]
    frequency_x = np.fft.rfftfreq(TEXTURE, 1 / TEXTURE)[None, :] / cycles[1]
    envelope = np.exp(-0.5 * ((np.hypot(frequency_y, frequency_x) - 1) / width) ** 2)
    envelope[0, 0] = 0
    return np.asarray(envelope, np.float32)


def around(x: Field, y: Field, grain: Field, *, row: int, along: float) -> Field:
    """Return noise that varies slowly with the angle around the origin of ``x`` and ``y``, and ``along`` the stack.

    ``x`` and ``y`` are regular grids (H, W); ``grain`` is (256, 256) periodic noise, of which ``row`` is
    used in the middle of the stack, and nearby rows beside it. The result is (H, W) float32, computed at low
    resolution, since the origin itself is not visible.
    """
    coarse = (slice(None, None, max(x.shape[0] // 32, 1)), slice(None, None, max(x.shape[1] // 32, 1)))
    angle = np.arctan2(y[coarse], x[coarse]) * np.float32(TEXTURE / (2 * np.pi))
    below = np.floor(angle)
    share = angle - below
    first = below.astype(np.int64) % TEXTURE
    ring = grain[(row + round(_ROWS_ALONG * along)) % TEXTURE]
    noise = ring[first] * (1 - share) + ring[(first + 1) % TEXTURE] * share
    return np.asarray(cv2.resize(noise, (x.shape[1], x.shape[0])), np.float32)


def draw_anatomy(rng: np.random.Generator, *, through_sella: bool) -> Anatomy:
    """Draw a patient; ``through_sella`` moves a high axial stack down to the pituitary gland.

    Otherwise the same state of ``rng`` gives the same patient.
    """
    plane, level = _PLANES[int(rng.choice(len(_PLANES), p=_PLANE_SHARES))]
    if through_sella and level == "high":
        level = "low"
    sequence = _FLUID_DARK if rng.random() < _FLUID_DARK_SHARE else _CONTRAST
    tones = {tissue: tone * float(rng.normal(1, 0.04)) for tissue, tone in sequence.items()}
    folds = np.stack([periodic_noise(rng, (9.0, 20.0)) for _ in range(2)])
    bend = rng.normal(0, 1, (2, 2, 5, 5)).astype(np.float32)
    bend *= np.array([0.016, 0.026], np.float32)[:, None, None, None]
    scale = rng.uniform(0.93, 1.05)
    aspect = rng.uniform(0.96, 1.04)
    return Anatomy(
        plane=plane,
        level=level,
        tones=tones,
        folds=folds,
        grain=periodic_noise(rng, (14.0, 14.0), width=0.6),
        bend=bend,
        ventricles=float(rng.uniform(0.75, 1.35)),
        sulci=float(rng.uniform(0.7, 1.4)),
        scalp=float(rng.uniform(0.7, 1.4)),
        bone=float(rng.uniform(0.85, 1.2)),
        turn=float(rng.normal(0, 3.5)),
        stretch=(float(scale * aspect), float(scale / aspect)),
    )
