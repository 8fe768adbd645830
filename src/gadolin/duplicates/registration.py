"""Registration of pairs of pictures, and the correlation that proves that one is a copy of the other."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.duplicates.candidates import Candidate
from gadolin.duplicates.canvas import SIDE
from gadolin.duplicates.keypoints import Keypoints

__all__ = ["IDENTICAL", "NOTHING", "Overlay", "overlays"]

_LIKE = 0.5  # squared distance below which descriptors match
_NEAR = 4.0  # pixels
_FEWEST = 3  # keypoints that must support a registration
_SMALLEST, _LARGEST = 0.4, 2.5  # scale of one to the other
_FAINT = 20  # of 255: darker is background
_COMMON = 0.5  # least intersection over union of the tissue
_FEWEST_PIXELS = 200
_FINE, _COARSE = (3, 3), (15, 15)  # pixels: the band in which pictures are compared
_PLAIN, _HOPELESS = 0.97, 0.7  # between these correlations the registration is refined
_FILLED, _RIM = (np.ones((side, side), np.uint8) for side in (9, 5))  # pixels: closing and erosion of the tissue mask
_STEPS = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 8, 1e-4)

_NEUTRAL = 128  # of 255, where nothing is compared
_GAP = 8  # rows between pictures that are blurred together, more than half the coarse scale

Affine = NDArray[np.float32]


class Overlay(NamedTuple):
    """Transform of one picture onto another, and their correlation.

    ``correlation`` in [-1, 1], of fine structure where both show tissue; ``mirrored``: left-right, before rotation by
    ``degrees`` clockwise and scaling by ``scale``.
    """

    correlation: float
    mirrored: bool
    degrees: float
    scale: float

    @property
    def identical(self) -> bool:
        """Whether the pictures are identical without a transform."""
        return self.correlation == 1 and not self.mirrored and not self.degrees


NOTHING = Overlay(0.0, False, 0.0, 1.0)
IDENTICAL = Overlay(1.0, False, 0.0, 1.0)


def overlays(canvases: NDArray[np.uint8], keypoints: Keypoints, pairs: Sequence[Candidate]) -> list[Overlay]:
    """Register the first picture of each pair (or its mirror image) onto the second; NOTHING where that fails.

    Matching keypoints give a similarity transform; if the pictures then agree moderately, the enhanced correlation
    coefficient (Evangelidis and Psarakis, PAMI 2008) refines it to an affine one.
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
        closer = _closer(over[worth], under[worth], transforms[rows[worth]])
        correlations[worth] = np.maximum(correlations[worth], _correlations(over[worth], under[worth], closer))
    results = [NOTHING] * len(pairs)
    for row, correlation in zip(rows.tolist(), correlations.tolist(), strict=True):
        cosine, sine = float(transforms[row, 0, 0]), float(transforms[row, 1, 0])
        degrees, scale = float(np.degrees(np.arctan2(sine, cosine))), float(np.hypot(sine, cosine))
        results[row] = Overlay(correlation, bool(mirrors[row]), degrees, scale)
    return results


def _similarities(
    keypoints: Keypoints, firsts: NDArray[np.int64], seconds: NDArray[np.int64], mirrors: NDArray[np.bool_]
) -> tuple[Affine, NDArray[np.bool_]]:
    """Return the (P, 2, 3) similarity transforms that most keypoints support, and for which pairs enough do."""
    flip = mirrors[:, None]
    queries = np.where(flip[:, :, None], keypoints.mirrored[firsts], keypoints.straight[firsts])
    references = keypoints.straight[seconds]
    products = queries @ references.transpose(0, 2, 1)
    distance = (queries**2).sum(2)[:, :, None] + (references**2).sum(2)[:, None] - 2 * products
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
    """Return factors and shifts (P,) of complex points, target = factor * source + shift, fitted where ``inside``."""
    count = np.maximum(inside.sum(axis=1), 1)
    middle, aim = ((points * inside).sum(axis=1) / count for points in (source, target))
    centred = (source - middle[:, None]) * inside
    length = np.maximum((centred.real**2 + centred.imag**2).sum(axis=1), 1e-6)
    factor = (target * centred.conj()).sum(axis=1) / length
    return factor, aim - factor * middle


def _closer(over: NDArray[np.uint8], under: NDArray[np.uint8], transforms: Affine) -> Affine:
    """Return the affine transforms near ``transforms`` that best align the pictures at half their size.

    Uses only tissue away from its rim, because a rim may come from cropping.
    """
    half = (SIDE // 2, SIDE // 2)
    closer = _rescaled(transforms, 0.5)
    for one, other, matrix in zip(over, under, closer, strict=True):
        small, reference = (cv2.resize(picture, half, interpolation=cv2.INTER_AREA) for picture in (one, other))
        masks, start = (_core(reference), _core(small)), cv2.invertAffineTransform(matrix)
        with suppress(cv2.error):  # it did not converge
            _, back = cv2.findTransformECCWithMask(reference, small, *masks, start, cv2.MOTION_AFFINE, _STEPS, 3)
            matrix[:] = cv2.invertAffineTransform(back)
    return _rescaled(closer, 2)


def _core(picture: cv2.typing.MatLike) -> cv2.typing.MatLike:
    """Return 255 in tissue, with holes filled and the rim removed, else 0."""
    tissue = np.where(picture > _FAINT, 255, 0).astype(np.uint8)
    return cv2.erode(cv2.morphologyEx(tissue, cv2.MORPH_CLOSE, _FILLED), _RIM, borderValue=0)


def _rescaled(transforms: Affine, factor: float) -> Affine:
    """Return the transforms for pictures ``factor`` times as large; pixel centres are at whole numbers."""
    corner = (factor - 1) / 2
    scaled = transforms.copy()
    scaled[:, :, 2] = factor * transforms[:, :, 2] + corner - corner * transforms[:, :, :2].sum(axis=2)
    return scaled


def _correlations(over: NDArray[np.uint8], under: NDArray[np.uint8], transforms: Affine) -> NDArray[np.float64]:
    """Return the correlations (P,) of ranked and band-passed tones where both pictures show tissue."""
    if not len(over):
        return np.empty(0)
    laid = np.stack([cv2.warpAffine(one, matrix, (SIDE, SIDE)) for one, matrix in zip(over, transforms, strict=True)])
    inside = _inside(transforms)
    tissue, others = (laid > _FAINT) & inside, (under > _FAINT) & inside
    common = tissue & others
    pixels = np.count_nonzero(common, axis=(1, 2))
    enough = pixels >= np.maximum(_FEWEST_PIXELS, _COMMON * np.count_nonzero(tissue | others, axis=(1, 2)))
    one, other = (_structure(pictures * common, pixels) * common for pictures in (laid, under))
    means = [detail.sum(axis=(1, 2), dtype=np.float64) / np.maximum(pixels, 1) for detail in (one, other)]
    both, first, second = (
        np.einsum("phw,phw->p", *details) - pixels * shift
        for details, shift in (
            ((one, other), means[0] * means[1]),
            ((one, one), means[0] ** 2),
            ((other, other), means[1] ** 2),
        )
    )
    return np.where(enough, both / np.sqrt(np.maximum(first * second, 1e-6)), 0.0)


def _inside(transforms: Affine) -> NDArray[np.bool_]:
    """Return (P, SIDE, SIDE): which pixels of the lower picture the upper one covers."""
    corners = np.array([[0, 0, 1], [SIDE - 1, 0, 1], [SIDE - 1, SIDE - 1, 1], [0, SIDE - 1, 1]], np.float32)
    places = np.rint(np.einsum("pij,cj->pci", transforms, corners)).astype(np.int32)
    covered = np.zeros((len(transforms), SIDE, SIDE), np.uint8)
    for cover, four in zip(covered, places, strict=True):
        cv2.fillConvexPoly(cover, four, 1)
    return covered.astype(np.bool_)


def _structure(pictures: NDArray[np.uint8], pixels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the fine structure of the ranked tones, which any monotonic change of contrast preserves.

    ``pictures`` (P, SIDE, SIDE) are 0 outside the compared area; ``pixels`` (P,) counts the pixels inside.
    """
    counts = np.stack([cv2.calcHist([one], [0], None, [256], (0, 256)).ravel() for one in pictures])
    counts[:, 0] = 0
    ranks = np.rint((np.cumsum(counts, axis=1) - counts / 2) * (255 / np.maximum(pixels, 1)[:, None])).astype(np.uint8)
    ranks[:, 0] = _NEUTRAL
    column = np.full((_GAP + len(pictures) * (SIDE + _GAP), SIDE), _NEUTRAL, np.uint8)
    ranked = column[_GAP:].reshape(-1, SIDE + _GAP, SIDE)
    for one, order, target in zip(pictures, ranks, ranked, strict=True):
        cv2.LUT(one, order, target[:SIDE])
    detail = cv2.subtract(cv2.blur(column, _FINE), cv2.blur(column, _COARSE), dtype=cv2.CV_32F)
    return np.asarray(detail[_GAP:].reshape(ranked.shape)[:, :SIDE], np.float32)
