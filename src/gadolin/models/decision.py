"""From what a network says of a slice to an answer: is there a tumour, of which kind, and is that to be said at all.

Two questions, answered apart. Whether there is a tumour is answered on every sequence that the model was validated on;
which kind it is only where kinds were. Without a calibration of the tumour's probability, a model answers one question,
which of its classes a slice shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.labels import is_without_lesion, lesion_classes
from gadolin.models.bundle import Bundle, TumourScale
from gadolin.models.calibration import logistic

__all__ = ["SEQUENCE_KNOWN", "Verdict", "class_probabilities", "decide", "softmax", "tumour_logits"]

SEQUENCE_KNOWN = 0.5
"""The probability from which a sequence counts as recognised."""

Floats = NDArray[np.floating]


class Verdict(NamedTuple):
    """The predicted class, else the code of the reason why there is none; the others as in ``Prediction``."""

    label: str | None
    code: str | None
    validated: bool | None
    p_tumour: float | None


def softmax(logits: Floats, temperature: float = 1.0) -> NDArray[np.float32]:
    """Return the softmax (N, K) float32 of logits (N, K) over ``temperature``."""
    scaled = logits.astype(np.float64) / temperature
    exponent = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True), np.float32)


def tumour_logits(logits: Floats, classes: tuple[str, ...]) -> NDArray[np.float64]:
    """Return (N,): the logarithm of how many times likelier logits (N, K) hold any kind of tumour than none."""
    kinds, values = _kinds(classes), logits.astype(np.float64)
    return np.asarray(_log_sum(values[:, kinds]) - _log_sum(values[:, ~kinds]))


def class_probabilities(logits: Floats, bundle: Bundle, sequences: Sequence[str | None]) -> NDArray[np.float32]:
    """Return calibrated probabilities (N, K) float32 of a bundle's logits (N, K).

    ``sequences`` are the N that were recognised, or None. Where the bundle calibrates the tumour's probability, its
    temperature is that of the kinds among themselves.
    """
    if bundle.p_tumour is None:
        return softmax(logits, bundle.temperature)
    scales = [bundle.tumour_scale(sequence) or TumourScale() for sequence in sequences]
    scale, offset = (np.array([getattr(one, name) for one in scales]) for name in ("scale", "offset"))
    kinds = _kinds(bundle.classes)
    tumour = logistic(scale * tumour_logits(logits, bundle.classes) + offset)
    likely = np.empty(logits.shape, np.float64)
    likely[:, kinds] = tumour[:, None] * softmax(logits[:, kinds], bundle.temperature)
    likely[:, ~kinds] = (1 - tumour)[:, None] * softmax(logits[:, ~kinds], bundle.temperature)
    return likely.astype(np.float32)


def decide(
    likely: Floats, bundle: Bundle, sequence: str | None, *, header: str = "", declined: str | None = None
) -> Verdict:
    """Return the verdict on one slice from its probabilities (K,) and the sequence that was recognised, or None.

    ``header`` is the sequence by the file's header, or empty: where it is another, only what was validated on both is
    said. ``declined`` is the code of a reason that holds whatever the probabilities are.
    """
    validated = _validated(bundle, sequence)
    if validated is not None and header:
        validated &= _validated(bundle, header) or set()
    scale, tumour = bundle.tumour_scale(sequence), None
    if scale is None:
        label = bundle.classes[int(likely.argmax())]
        code = declined or ("low_confidence" if likely.max() < bundle.confidence_threshold else None)
    else:
        kinds = _kinds(bundle.classes)
        tumour = float(likely[kinds].sum())
        options = np.where(kinds == (tumour >= 0.5), likely, -1)
        label = bundle.classes[int(options.argmax())]
        stated = max(tumour, 1 - tumour) >= scale.threshold
        code = declined or (
            _undecided(bundle, validated, label, float(options.max())) if stated else "tumour_uncertain"
        )
    return Verdict(None if code else label, code, None if validated is None else label in validated, tumour)


def _undecided(bundle: Bundle, validated: set[str] | None, label: str, likely: float) -> str | None:
    """Return why a class is not named, though it is clear whether there is a tumour; None where it is."""
    if is_without_lesion(label):
        return None if validated is None or label in validated else "sequence_not_validated"
    if validated is not None and not all(
        bundle.classes[place] in validated for place in lesion_classes(bundle.classes)
    ):
        return "kind_not_validated"
    return "kind_uncertain" if likely < bundle.confidence_threshold else None


def _validated(bundle: Bundle, sequence: str | None) -> set[str] | None:
    """Return the classes that the bundle was validated for on a sequence; None where it has no such list."""
    if bundle.validated is None:
        return None
    return {one.label for one in bundle.validated if one.sequence == sequence}


def _kinds(classes: Sequence[str]) -> NDArray[np.bool_]:
    """Return (K,) bool: which classes are kinds of tumour."""
    kinds = np.zeros(len(classes), np.bool_)
    kinds[list(lesion_classes(classes))] = True
    return kinds


def _log_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    top = values.max(axis=1, keepdims=True)
    return np.asarray(top[:, 0] + np.log(np.exp(values - top).sum(axis=1)))
