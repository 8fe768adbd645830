"""Fit the temperature, tumour scales and thresholds of a bundle on held-out slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.labels import lesion_classes
from gadolin.metrics import fit_temperature
from gadolin.metrics.calibration import fit_logistic
from gadolin.metrics.selective import fit_confidence_threshold
from gadolin.models.bundle import Bundle, TumourScale, Validation
from gadolin.models.decision import class_probabilities, decide, tumour_logits
from gadolin.models.tumour_scale import logistic

__all__ = ["calibrated", "validations"]

_FEWEST_PATIENTS = 5
_FEWEST_SLICES = 30  # with a tumour and without, for the scale of one sequence
_RIGHT_ENOUGH = 0.8  # of the answered slices of a class and sequence


def calibrated(
    bundle: Bundle,
    logits: NDArray[np.floating],
    targets: NDArray[np.int64],
    kind_known: NDArray[np.bool_] | None = None,
    *,
    sequences: Sequence[str | None],
    thresholds: bool = True,
) -> Bundle:
    """Return the bundle with its temperature and, if ``thresholds``, its thresholds.

    ``logits`` (N, K) and ``targets`` (N,) in [0, K) are of held-out slices. If ``kind_known`` (N,) bool marks the
    slices of sources that teach the kind, the tumour probability is calibrated on all slices, weighted as if half of
    them had a tumour, and the probabilities of the kinds among themselves on tumours of known kind. ``sequences`` are
    the N recognised sequences, or None; a sequence with enough slices gets a separate tumour scale.
    """
    if kind_known is None:
        fitted = replace(bundle, temperature=fit_temperature(logits, targets))
        return _with_threshold(fitted, logits, targets, sequences) if thresholds else fitted
    kinds = np.array(lesion_classes(bundle.classes))
    tumour = np.isin(targets, kinds)
    taught = tumour & kind_known
    values, seen = tumour_logits(logits, bundle.classes), np.array([one or "" for one in sequences])
    scales = _scales(values, tumour, seen, thresholds=thresholds)
    fitted = replace(bundle, p_tumour=scales)
    if taught.any():
        kind_targets = np.searchsorted(kinds, targets[taught])
        fitted = replace(fitted, temperature=fit_temperature(logits[taught][:, kinds], kind_targets))
    if not thresholds:
        return fitted
    known = kind_known | ~tumour
    return _with_threshold(fitted, logits[known], targets[known], seen[known].tolist())


def _scales(
    values: NDArray[np.float64], tumour: NDArray[np.bool_], sequences: NDArray[np.str_], *, thresholds: bool
) -> tuple[TumourScale, ...]:
    """Return the scale of all slices (N,), then those of sequences with enough slices with and without a tumour."""
    whole = fit_logistic(values, tumour, weights=_balanced(tumour))
    scales = [_scale(values, tumour, whole, "", thresholds=thresholds)]
    for name in sorted(set(sequences.tolist()) - {""}):
        rows = sequences == name
        if min(int(tumour[rows].sum()), int((~tumour[rows]).sum())) >= _FEWEST_SLICES:
            line = fit_logistic(values[rows], tumour[rows], whole, _balanced(tumour[rows]))
            scales.append(_scale(values[rows], tumour[rows], line, name, thresholds=thresholds))
    return tuple(scales)


def _scale(
    values: NDArray[np.float64],
    tumour: NDArray[np.bool_],
    line: tuple[float, float],
    sequence: str,
    *,
    thresholds: bool,
) -> TumourScale:
    scale, offset = line
    probability = logistic(scale * values + offset)
    pairs, truth = np.column_stack([1 - probability, probability]), tumour.astype(np.int64)
    threshold = fit_confidence_threshold(pairs, truth, _balanced(tumour)) if thresholds else 0.5
    return TumourScale(scale, offset, max(threshold, 0.5), sequence)


def _balanced(tumour: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights (N,), 1 on average, that give slices with and without a tumour equal total weight."""
    share = float(tumour.mean())
    if share in (0.0, 1.0):
        return np.ones(len(tumour))
    return np.where(tumour, 0.5 / share, 0.5 / (1 - share))


def _with_threshold(
    bundle: Bundle, logits: NDArray[np.floating], targets: NDArray[np.int64], sequences: Sequence[str | None]
) -> Bundle:
    probabilities = class_probabilities(logits, bundle, sequences)
    return replace(bundle, confidence_threshold=fit_confidence_threshold(probabilities, targets))


def validations(
    bundle: Bundle,
    logits: NDArray[np.floating],
    targets: NDArray[np.int64],
    sequences: Sequence[str | None],
    patients: Sequence[str],
) -> tuple[Validation, ...]:
    """Return the classes and sequences that a bundle is validated on, by held-out slices.

    All arguments have N entries: logits (N, K), classes, sequences (None if unknown) and patients or groups. Only
    answered slices count, and for a kind of tumour only those on which a tumour is predicted, because detection and
    classification are validated separately. A class is listed for a sequence if such slices come from five or more
    patients and the class is predicted correctly for at least 80 % of them.
    """
    kinds = {bundle.classes[place] for place in lesion_classes(bundle.classes)}
    free = replace(bundle, validated=None, confidence_threshold=0.0)
    probabilities = class_probabilities(logits, free, sequences)
    predicted = [decide(row, free, sequence).label for row, sequence in zip(probabilities, sequences, strict=True)]
    found = []
    for sequence in sorted({one for one in sequences if one}):
        for number, label in enumerate(bundle.classes):
            counted = kinds if label in kinds else set(bundle.classes)
            of_class = [row for row, one in enumerate(sequences) if one == sequence and targets[row] == number]
            rows = [row for row in of_class if predicted[row] in counted]
            right = sum(predicted[row] == label for row in rows)
            people = len({patients[row] for row in rows})
            if people >= _FEWEST_PATIENTS and right >= _RIGHT_ENOUGH * len(rows):
                found.append(Validation(label, sequence, people, len(rows), right))
    return tuple(found)
