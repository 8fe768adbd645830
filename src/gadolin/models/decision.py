"""From the output of a network to a decision on a slice: tumour or not, which kind, or abstention.

Detection and classification are decided separately: the model detects tumours on every sequence that it was validated
on, but names their kind only on sequences where the kinds were validated. A model without a calibrated tumour
probability only classifies.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.labels import is_without_lesion, lesion_classes
from gadolin.models.bundle import Bundle, TumourScale
from gadolin.models.tumour_scale import logistic

__all__ = [
    "SEQUENCE_KNOWN",
    "TUMOUR_SUSPECTED",
    "Verdict",
    "class_probabilities",
    "decide",
    "softmax",
    "tumour_logits",
]

SEQUENCE_KNOWN = 0.5
"""The smallest probability at which a sequence counts as recognised."""
TUMOUR_SUSPECTED = frozenset({"kind_uncertain", "kind_not_validated"})
"""The codes of reasons to abstain from the kind of a tumour that is nevertheless suspected."""

Floats = NDArray[np.floating]


class Verdict(NamedTuple):
    """The predicted class, or the code of the reason to abstain; the other fields as in ``Prediction``."""

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
    """Return (N,) float64: the log-odds of any kind of tumour against none, from logits (N, K)."""
    kinds, values = _kinds(classes), logits.astype(np.float64)
    return np.asarray(_log_sum(values[:, kinds]) - _log_sum(values[:, ~kinds]))


def class_probabilities(logits: Floats, bundle: Bundle, sequences: Sequence[str | None]) -> NDArray[np.float32]:
    """Return calibrated probabilities (N, K) float32 of a bundle's logits (N, K).

    ``sequences`` are the N recognised sequences, each a name or None. If the bundle calibrates the tumour probability,
    its temperature calibrates the kinds of tumour among themselves.
    """
    if bundle.p_tumour is None:
        return softmax(logits, bundle.temperature)
    scales = [bundle.tumour_scale(sequence) or TumourScale() for sequence in sequences]
    scale, offset = (np.array([getattr(one, name) for one in scales]) for name in ("scale", "offset"))
    kinds = _kinds(bundle.classes)
    tumour = logistic(scale * tumour_logits(logits, bundle.classes) + offset)
    probabilities = np.empty(logits.shape, np.float64)
    probabilities[:, kinds] = tumour[:, None] * softmax(logits[:, kinds], bundle.temperature)
    probabilities[:, ~kinds] = (1 - tumour)[:, None] * softmax(logits[:, ~kinds], bundle.temperature)
    return probabilities.astype(np.float32)


def decide(
    probabilities: Floats, bundle: Bundle, sequence: str | None, *, header: str = "", declined: str | None = None
) -> Verdict:
    """Return the verdict on one slice from its ``probabilities`` (K,) and the recognised sequence, or None.

    ``header`` is the sequence in the file's header, or empty; if it differs, only classes validated on both sequences
    count as validated. ``declined`` is the code of a reason to abstain regardless of the probabilities.
    """
    validated = _validated(bundle, sequence)
    if validated is not None and header:
        validated &= _validated(bundle, header) or set()
    scale, tumour = bundle.tumour_scale(sequence), None
    if scale is None:
        label = bundle.classes[int(probabilities.argmax())]
        code = declined or ("low_confidence" if probabilities.max() < bundle.confidence_threshold else None)
    else:
        kinds = _kinds(bundle.classes)
        tumour = float(probabilities[kinds].sum())
        options = np.where(kinds == (tumour >= 0.5), probabilities, -1)
        label = bundle.classes[int(options.argmax())]
        sure = max(tumour, 1 - tumour) >= scale.threshold
        code = declined or (_undecided(bundle, validated, label, float(options.max())) if sure else "tumour_uncertain")
    return Verdict(None if code else label, code, None if validated is None else label in validated, tumour)


def _undecided(bundle: Bundle, validated: set[str] | None, label: str, probability: float) -> str | None:
    """Return the code of a reason not to give the class, although the detection is clear; None if there is none."""
    if is_without_lesion(label):
        return None if validated is None or label in validated else "sequence_not_validated"
    if validated is not None and not all(
        bundle.classes[place] in validated for place in lesion_classes(bundle.classes)
    ):
        return "kind_not_validated"
    return "kind_uncertain" if probability < bundle.confidence_threshold else None


def _validated(bundle: Bundle, sequence: str | None) -> set[str] | None:
    """Return the classes that the bundle was validated for on a sequence; None if it lists no validations."""
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
