"""Local features of slices, robust to rotation, cropping, scale and recompression.

SIFT (Lowe, "Distinctive image features from scale-invariant keypoints", IJCV 2004) with square-rooted descriptors
(Arandjelovic and Zisserman, "Three things everyone should know to improve object retrieval", CVPR 2012), shortened by
principal components. The descriptor of the mirror image is a permutation, so mirrored copies need no second detection.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.pool import thread_pool
from gadolin.progress import Progress

__all__ = ["Keypoints", "find_keypoints"]

_MOST = 30  # keypoints of a slice
_CONTRAST = 0.005
_EDGE = 15.0
_LENGTH = 48  # of a shortened descriptor
_SAMPLE = 40_000  # descriptors for the principal components
_BLOCK = 64  # pictures
_CELLS, _DIRECTIONS = 4, 8
_DESCRIPTOR = _CELLS * _CELLS * _DIRECTIONS


@dataclass(frozen=True, slots=True, eq=False)
class Keypoints:
    """The keypoints of N pictures, at most K of each; unused places are not ``valid`` (N, K).

    ``places`` (N, K) complex64: x + i y in pixels of the canvas; ``size`` (N, K) float32 in pixels; ``angle`` (N, K)
    float32 in radians, clockwise from the right. ``straight`` and ``mirrored`` (N, K, D) float32: descriptors of the
    picture and of its mirror image.
    """

    valid: NDArray[np.bool_]
    places: NDArray[np.complex64]
    size: NDArray[np.float32]
    angle: NDArray[np.float32]
    straight: NDArray[np.float32]
    mirrored: NDArray[np.float32]


def find_keypoints(canvases: NDArray[np.uint8], *, progress: Progress | None = None) -> Keypoints:
    """Return the strongest keypoints of pictures (N, SIDE, SIDE) uint8."""
    blocks = [canvases[start : start + _BLOCK] for start in range(0, len(canvases), _BLOCK)]
    found: list[tuple[NDArray[np.float32], NDArray[np.uint8]]] = []
    with thread_pool() as pool:
        for some in pool.map(_block, blocks):
            found.extend(some)
            if progress is not None:
                progress(len(found), len(canvases), "detecting features")
    counts = np.array([len(facts) for facts, _ in found], np.int64)
    valid = np.arange(_MOST) < counts[:, None]
    facts = np.concatenate([np.empty((0, 4), np.float32), *(one for one, _ in found)])
    whole = np.concatenate([np.empty((0, _DESCRIPTOR), np.uint8), *(one for _, one in found)])
    del found
    places = np.zeros(valid.shape, np.complex64)
    places[valid] = facts[:, 0] + 1j * facts[:, 1]
    size, angle = np.ones(valid.shape, np.float32), np.ones(valid.shape, np.float32)
    size[valid], angle[valid] = facts[:, 2], facts[:, 3]
    return Keypoints(valid, places, size, angle, *_shortened(whole, valid))


def _block(canvases: NDArray[np.uint8]) -> list[tuple[NDArray[np.float32], NDArray[np.uint8]]]:
    sift = _detector()
    return [_keypoints(sift, canvas) for canvas in canvases]


def _detector() -> cv2.SIFT:
    """Return a detector that doubles pictures without shifting them, so that mirror images have mirrored features."""
    return cv2.SIFT.create(_MOST, 3, _CONTRAST, _EDGE, 1.6, cv2.CV_8U, True)


def _keypoints(sift: cv2.SIFT, canvas: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return (n, 4) float32 x, y, size and angle, and (n, 128) uint8 descriptors."""
    points, descriptors = sift.detectAndCompute(canvas, None)
    facts = [(point.pt[0], point.pt[1], point.size, np.deg2rad(point.angle)) for point in points[:_MOST]]
    if not facts:
        return np.empty((0, 4), np.float32), np.empty((0, _DESCRIPTOR), np.uint8)
    return np.array(facts, np.float32), np.asarray(descriptors[:_MOST], np.uint8)


def _shortened(whole: NDArray[np.uint8], valid: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the principal components of square-rooted descriptors, and of their mirror images, where valid."""
    straight, mirrored = (np.ones((*valid.shape, _LENGTH), np.float32) for _ in range(2))
    if not len(whole):
        return straight, mirrored
    sample = _rooted(whole[:: max(1, len(whole) // _SAMPLE)])
    mean = sample.mean(axis=0)
    _, axes = np.linalg.eigh((sample - mean).T @ (sample - mean))
    axes = axes[:, ::-1][:, :_LENGTH]
    rows, columns = np.nonzero(valid)
    for start in range(0, len(whole), _SAMPLE):
        some = slice(start, start + _SAMPLE)
        straight[rows[some], columns[some]] = (_rooted(whole[some]) - mean) @ axes
        mirrored[rows[some], columns[some]] = (_rooted(_flipped(whole[some])) - mean) @ axes
    return straight, mirrored


def _rooted(descriptors: NDArray[np.uint8]) -> NDArray[np.float32]:
    total = descriptors.sum(axis=1, dtype=np.float32, keepdims=True)
    return np.asarray(np.sqrt(descriptors / np.maximum(total, 1)), np.float32)


def _flipped(descriptors: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the descriptors of the mirror image: rows of cells and directions in reverse."""
    cells = descriptors.reshape(-1, _CELLS, _CELLS, _DIRECTIONS)
    directions = -np.arange(_DIRECTIONS) % _DIRECTIONS
    return np.ascontiguousarray(cells[:, ::-1, :, directions]).reshape(-1, _DESCRIPTOR)
