"""Simulate a scan of a painted head: pose, coil inhomogeneity, motion ghosts, blur and noise."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.phantoms.anatomy import Anatomy
from gadolin.phantoms.canvas import Field

__all__ = ["Scan", "draw_scan", "pose", "posed", "scanned"]


@dataclass(frozen=True, slots=True, eq=False)
class Scan:
    """Parameters of one examination.

    ``bias`` has shape (4, 4), float32: the logarithm of the coils' sensitivity on a coarse grid. ``blur``
    is in head units; ``noise`` a share of full brightness; ``ghost`` the share of the signal that motion
    shifts by ``ghost_shift`` of the height.
    """

    bias: Field
    gain: float
    gamma: float
    blur: float
    noise: float
    ghost: float
    ghost_shift: float


def draw_scan(rng: np.random.Generator) -> Scan:
    """Draw an examination."""
    return Scan(
        bias=rng.normal(0, 0.11, (4, 4)).astype(np.float32),
        gain=float(rng.uniform(0.82, 1.12)),
        gamma=float(rng.uniform(0.9, 1.18)),
        blur=float(rng.uniform(0.003, 0.0075)),
        noise=float(rng.uniform(0.010, 0.028)),
        ghost=float(rng.uniform(0.0, 0.028)),
        ghost_shift=float(rng.uniform(0.12, 0.5)),
    )


def pose(anatomy: Anatomy, size: int, along: float) -> tuple[Field, Field]:
    """Return the maps (x and y, (H, W) float32, in pixels) from a painted head to the pose of the patient."""
    axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * np.float32(2 / size) - np.float32(1)
    bend = anatomy.bend[0] + np.float32(along) * anatomy.bend[1]
    turn = np.deg2rad(anatomy.turn)
    cosine, sine = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    x, y = axis[None, :] / np.float32(anatomy.stretch[0]), axis[:, None] / np.float32(anatomy.stretch[1])
    source_x = cosine * x + sine * y + _smooth(bend[0], size)
    source_y = cosine * y - sine * x + _smooth(bend[1], size)
    half = np.float32(size / 2)
    return (source_x + 1) * half - np.float32(0.5), (source_y + 1) * half - np.float32(0.5)


def posed(field: Field, maps: tuple[Field, Field]) -> Field:
    """Return ``field``, (H, W) float32, remapped by ``maps``; its edge is replicated, as for the neck."""
    remapped = cv2.remap(field, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(remapped, np.float32)


def scanned(image: Field, scan: Scan, noise: Field) -> NDArray[np.uint8]:
    """Return the scan, (H, W) uint8, of ``image``, (H, W) float32 in about [0, 1].

    ``noise`` is standard normal, (2, H, W) float32, for real and imaginary channel; the magnitude makes it
    Rician.
    """
    size = image.shape[0]
    signal = np.asarray(cv2.pow(np.maximum(image, 0), scan.gamma), np.float32)
    signal *= cv2.exp(_smooth(scan.bias + np.float32(np.log(scan.gain)), size))
    shift = round(scan.ghost_shift * size)
    ghosts = np.roll(signal, shift, axis=0) + np.roll(signal, -shift, axis=0)
    signal = signal + np.float32(scan.ghost) * ghosts
    sigma = scan.blur * size / 2
    signal = np.asarray(cv2.GaussianBlur(signal, (0, 0), sigmaX=max(sigma, 0.3)), np.float32)
    spread = np.float32(scan.noise)
    magnitude = cv2.magnitude(signal + spread * noise[0], spread * noise[1])
    return np.asarray(cv2.convertScaleAbs(magnitude, alpha=255), np.uint8)


def _smooth(coarse: Field, size: int) -> Field:
    return np.asarray(cv2.resize(coarse, (size, size), interpolation=cv2.INTER_CUBIC), np.float32)
