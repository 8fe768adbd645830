"""Pictures laid one over the other, and how well they agree: the proof that one is a copy of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.copies.candidates import Candidate
from gadolin.copies.canvas import SIDE
from gadolin.copies.keypoints import Keypoints

__all__ = ["NOTHING", "Overlay", "overlays"]

_LIKE = 0.5  # squared distance of descriptors that may show one thing
_NEAR = 4.0  # pixels
_FEWEST = 3  # keypoints that carry a registration
_SMALLEST, _LARGEST = 0.4, 2.5  # scale of one to the other
_FAINT = 20  # of 255: darker is background
_COMMON = 0.5  # share of the tissue of either that must be tissue in both
_FEWEST_PIXELS = 200
_FINE, _COARSE = (3, 3), (15, 15)  # pixels: the band in which pictures are compared
_PLAIN, _HOPELESS = 0.985, 0.8  # correlations between which a closer registration is tried
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 8, 1e-4)

_NEUTRAL = 128  # of 255, where nothing is compared
_GAP = 8  # rows between pictures that are blurred as one, wider than half the coarse scale

Affine = NDArray[np.float32]


class Overlay(NamedTuple):
    """How one picture lies over another.

    ``correlation`` in [-1, 1], of fine structure where both show tissue; ``mirrored``: left-right, before it was
    turned by ``degrees`` clockwise and scaled by ``scale``.
    """

    correlation: float
    mirrored: bool
    degrees: float
    scale: float


NOTHING = Overlay(0.0, False, 0.0, 1.0)


def overlays(canvases: NDArray[np.uint8], keypoints: Keypoints, pairs: Sequence[Candidate]) -> list[Overlay]:
    """Lay the first picture of each pair, mirrored where it says so, over the second; NOTHING where no way is found.

    Matching keypoints give a similarity transform; where the pictures then agree somewhat, the enhanced correlation
    coefficient (Evangelidis and Psarakis, PAMI 2008) makes it an affine one.
    """
    if not pairs:
        return []
    firsts, seconds, mirrors = (np.array(column) for column in zip(*pairs, strict=True))
    transforms, found = _similarities(keypoints, firsts, seconds, mirrors)
    rows = np.flatnonzero(found)
    over = canvases[firsts[rows]]
    over[mirrors[rows]] = over[mirrors[rows], :, ::-1]
    under = canvases[seconds[rows]]
    correlations = _correlations(over, under, transforms[rows])
    worth = np.flatnonzero((correlations > _HOPELESS) & (correlations < _PLAIN))
    if len(worth):
        closer = np.stack([_closer(over[one], under[one], transforms[rows[one]]) for one in worth])
        correlations[worth] = np.maximum(correlations[worth], _correlations(over[worth], under[worth], closer))
    told = [NOTHING] * len(pairs)
    for row, correlation in zip(rows.tolist(), correlations.tolist(), strict=True):
        cosine, sine = float(transforms[row, 0, 0]), float(transforms[row, 1, 0])
        degrees, scale = float(np.degrees(np.arctan2(sine, cosine))), float(np.hypot(sine, cosine))
        told[row] = Overlay(correlation, bool(mirrors[row]), degrees, scale)
    return told


def _similarities(
    keypoints: Keypoints, firsts: NDArray[np.int64], seconds: NDArray[np.int64], mirrors: NDArray[np.bool_]
) -> tuple[Affine, NDArray[np.bool_]]:
    """Return the (P, 2, 3) similarity transforms that most keypoints agree on, and for which pairs enough do."""
    flip = mirrors[:, None]
    asked = np.where(flip[:, :, None], keypoints.mirrored[firsts], keypoints.straight[firsts])
    answers = keypoints.straight[seconds]
    distance = (asked**2).sum(2)[:, :, None] + (answers**2).sum(2)[:, None] - 2 * asked @ answers.transpose(0, 2, 1)
    distance[~(keypoints.valid[firsts][:, :, None] & keypoints.valid[seconds][:, None])] = np.inf
    match = distance.argmin(axis=2)
    like = np.take_along_axis(distance, match[:, :, None], axis=2)[:, :, 0] < _LIKE

    points, angle = keypoints.places[firsts], keypoints.angle[firsts]
    source = np.where(flip, SIDE - 1 - points.real, points.real) + 1j * points.imag
    angle = np.where(flip, np.pi - angle, angle)
    chosen = (seconds[:, None], match)
    target = keypoints.places[chosen]
    factor = keypoints.size[chosen] / keypoints.size[firsts] * np.exp(1j * (keypoints.angle[chosen] - angle))
    miss = factor[:, :, None] * (source[:, None] - source[:, :, None]) - (target[:, None] - target[:, :, None])
    agree = (miss.real**2 + miss.imag**2 < _NEAR**2) & like[:, None] & like[:, :, None]
    votes = agree.sum(axis=2)
    inside = np.take_along_axis(agree, votes.argmax(axis=1)[:, None, None], axis=1)[:, 0]
    turn, move = _least_squares(source, target, inside)
    scale = np.abs(turn)
    found = (votes.max(axis=1) >= _FEWEST) & (scale > _SMALLEST) & (scale < _LARGEST)
    linear = np.stack([turn.real, -turn.imag, move.real, turn.imag, turn.real, move.imag], axis=1)
    return linear.reshape(-1, 2, 3).astype(np.float32), found


def _least_squares(
    source: NDArray[np.complex64], target: NDArray[np.complex64], inside: NDArray[np.bool_]
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Return factors and shifts (P,) of points as complex numbers, target = factor * source + shift, where inside."""
    count = np.maximum(inside.sum(axis=1), 1)
    middle, aim = ((points * inside).sum(axis=1) / count for points in (source, target))
    centred = (source - middle[:, None]) * inside
    length = np.maximum((centred.real**2 + centred.imag**2).sum(axis=1), 1e-6)
    factor = (target * centred.conj()).sum(axis=1) / length
    return factor, aim - factor * middle


def _closer(over: NDArray[np.uint8], under: NDArray[np.uint8], transform: Affine) -> Affine:
    """Return the affine transform near ``transform`` under which the pictures, at half their size, agree best."""
    half = (SIDE // 2, SIDE // 2)
    small, beneath = (cv2.resize(picture, half, interpolation=cv2.INTER_AREA) for picture in (over, under))
    start = cv2.invertAffineTransform(_rescaled(transform, 0.5)).astype(np.float32)
    mask = np.full(half, 255, np.uint8)
    try:
        _, back = cv2.findTransformECC(beneath, small, start, cv2.MOTION_AFFINE, _STEPS, mask, 3)
    except cv2.error:  # it did not converge
        return transform
    return _rescaled(np.asarray(cv2.invertAffineTransform(back), np.float32), 2)


def _rescaled(transform: Affine, factor: float) -> Affine:
    """Return the transform for pictures of ``factor`` times the size; pixels have their centres at whole numbers."""
    linear, shift = transform[:, :2], transform[:, 2]
    corner = np.full(2, (factor - 1) / 2, np.float32)
    return np.column_stack([linear, factor * shift + corner - linear @ corner]).astype(np.float32)


def _correlations(over: NDArray[np.uint8], under: NDArray[np.uint8], transforms: Affine) -> NDArray[np.float64]:
    """Return (P,) the correlation of ranked tones, between a fine and a coarse scale, where both show tissue."""
    laid = np.stack([cv2.warpAffine(one, matrix, (SIDE, SIDE)) for one, matrix in zip(over, transforms, strict=True)])
    inside = _inside(transforms)
    tissue, others = (laid > _FAINT) & inside, (under > _FAINT) & inside
    common = tissue & others
    pixels = common.sum(axis=(1, 2))
    enough = pixels >= np.maximum(_FEWEST_PIXELS, _COMMON * (tissue | others).sum(axis=(1, 2)))
    one, other = (_structure(pictures, common) for pictures in (laid, under))
    one, other = (_centred(detail, common, pixels) for detail in (one, other))
    products = [np.einsum("phw,phw->p", first, second) for first, second in ((one, other), (one, one), (other, other))]
    return np.where(enough, products[0] / np.sqrt(np.maximum(products[1] * products[2], 1e-6)), 0.0)


def _inside(transforms: Affine) -> NDArray[np.bool_]:
    """Return (P, SIDE, SIDE): which pixels of the lower picture the upper one covers."""
    y, x = np.mgrid[:SIDE, :SIDE].astype(np.float32)
    covered = np.ones((len(transforms), SIDE, SIDE), np.bool_)
    for matrix, cover in zip(transforms, covered, strict=True):
        for row in cv2.invertAffineTransform(matrix).astype(np.float32):
            place = row[0] * x + row[1] * y + row[2]
            cover &= (place >= 0) & (place <= SIDE - 1)
    return covered


def _structure(pictures: NDArray[np.uint8], common: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the fine structure of the tones' ranks among the common pixels: the same after any change of contrast."""
    count = len(pictures)
    tones = pictures.astype(np.int32) + 256 * np.arange(count, dtype=np.int32)[:, None, None]
    counts = np.bincount(tones[common], minlength=256 * count).reshape(count, 256)
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ranks = np.rint((np.cumsum(counts, axis=1) - counts / 2) * (255 / total)).astype(np.uint8)
    ranked = np.full((count, SIDE + _GAP, SIDE), _NEUTRAL, np.uint8)
    ranked[:, :SIDE] = np.where(common, ranks.ravel()[tones], _NEUTRAL)
    column = ranked.reshape(-1, SIDE)
    detail = cv2.subtract(cv2.blur(column, _FINE), cv2.blur(column, _COARSE), dtype=cv2.CV_32F)
    return np.asarray(detail.reshape(ranked.shape)[:, :SIDE], np.float32)


def _centred(detail: NDArray[np.float32], common: NDArray[np.bool_], pixels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the details less their mean over the common pixels, 0 elsewhere."""
    kept = detail * common
    mean = kept.sum(axis=(1, 2)) / np.maximum(pixels, 1)
    return np.asarray((kept - mean[:, None, None].astype(np.float32)) * common, np.float32)
