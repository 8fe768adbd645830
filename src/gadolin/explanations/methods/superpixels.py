"""Superpixels of a head, and model evaluations with some of them removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import MissingExtraError, RequestError
from gadolin.explanations.baselines import Picture, filled, head_tones, onto_pixels
from gadolin.explanations.explained_slice import ExplainedSlice
from gadolin.preprocessing.head_crop import crop_resize
from gadolin.preprocessing.intensity import to_uint8

__all__ = ["Superpixels", "superpixels"]

_COMPACTNESS = 0.1  # of SLIC, for tones in [0, 1]
_BATCH = 32
_MOST_LAYERS = 500  # pieces that are prepared once: 256 KiB each


@dataclass(frozen=True, slots=True, eq=False)
class Superpixels:
    """A slice in P pieces: ``labels`` (H, W) int32 from 0 to P - 1, -1 outside the head.

    ``without`` (H, W) float32 has the pixels that replace removed pieces.
    """

    subject: ExplainedSlice
    labels: NDArray[np.int32]
    count: int
    without: Picture

    def answers(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the probability of the class (S,) with only the pieces in each row of ``kept`` (S, P) unchanged."""
        evaluate = (
            self.drawn if self.subject.predict_prepared is None or self.count > _MOST_LAYERS else self.prepared_once()
        )
        batches = [evaluate(kept[start : start + _BATCH]) for start in range(0, len(kept), _BATCH)]
        return np.concatenate([np.empty(0), *(rows[:, self.subject.target] for rows in batches)])

    def drawn(self, kept: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the probabilities (S, K) of perturbed slices, each composed and prepared separately."""
        rows = np.pad(kept, ((0, 0), (0, 1)), constant_values=True)
        return self.subject.predict(np.where(rows[:, self.labels], self.subject.image.pixels, self.without))

    def prepared_once(self) -> Callable[[NDArray[np.bool_]], NDArray[np.float32]]:
        """Return a faster equivalent of ``drawn`` that sums pieces prepared once, because resizing is linear."""
        predictor, predict = self.subject.predictor, self.subject.predict_prepared
        assert predictor is not None, "a callable has no preparation"
        assert predict is not None, "given with the predictor"
        frame, size = self.subject.frame, predictor.bundle.preparation.size
        shown = self.subject.image.pixels
        none = crop_resize(np.where(self.labels < 0, shown, self.without), frame.box, size, frame.black)
        less = shown - self.without
        pieces = np.stack(
            [crop_resize(np.where(self.labels == piece, less, 0), frame.box, size, 0) for piece in range(self.count)]
        ).reshape(self.count, -1)

        def evaluate(kept: NDArray[np.bool_]) -> NDArray[np.float32]:
            pictures = none + (kept.astype(np.float32) @ pieces).reshape(-1, size, size)
            return predict(to_uint8(pictures, frame.black, frame.white))

        return evaluate

    def heat(self, worth: NDArray[np.float64]) -> Picture:
        """Return heat (H, W) float32 with the value ``worth`` (P,) of each piece, 0 outside."""
        return np.append(worth, 0.0).astype(np.float32)[self.labels]


def superpixels(subject: ExplainedSlice, *, count: int = 60, fill: str = "blur") -> Superpixels:
    """Segment the head into about ``count`` superpixels (masked SLIC: Achanta et al. 2012, Irving 2016).

    ``fill`` is the replacement for removed pieces, one of ``FILLS``. Raises RequestError for fewer than 2 pieces or an
    unknown fill, MissingExtraError without scikit-image.
    """
    if count < 2:
        raise RequestError(
            code="pieces_out_of_range",
            rule="a head needs 2 superpixels or more",
            got=f"got {count}",
            remedy="60 is the usual choice",
        )
    try:
        from skimage.segmentation import slic
    except ImportError as error:
        raise MissingExtraError(package="scikit-image", extra="explain") from error
    small, head = head_tones(subject.image, subject.frame)
    pieces = slic(small, count, _COMPACTNESS, mask=head, start_label=0, channel_axis=None, enforce_connectivity=True)
    numbers, places = np.unique(np.where(head, pieces, -1), return_inverse=True)
    labels = onto_pixels(
        (places.reshape(small.shape) - int(numbers[0] == -1)).astype(np.int32), subject.image, subject.frame
    )
    return Superpixels(subject, labels, int(labels.max()) + 1, filled(subject, labels >= 0, fill))
