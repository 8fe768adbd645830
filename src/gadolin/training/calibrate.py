"""What a bundle decides by, fitted on slices that were not learned from: temperature, tumour scale and thresholds."""

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
from gadolin.models.calibration import logistic
from gadolin.models.decision import class_probabilities, decide, tumour_logits

__all__ = ["calibrated", "validations"]

_FEWEST_PATIENTS = 5
_FEWEST_SLICES = 30  # with a tumour and without, for a scale of its own
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
    """Return the bundle with its temperature and, unless that is not wanted, its thresholds.

    ``logits`` (N, K) and classes ``targets`` (N,) in [0, K) are of slices that were not learned from. Where
    ``kind_known`` (N,) bool tells which of them are of sources that teach their kind, the probability of a tumour is
    calibrated on all slices, as if those with a tumour were as many as those without, and that of the kinds among
    themselves on tumours whose kind is known. ``sequences`` are the N that the model recognises, or None: one with
    enough slices gets its own scale of the tumour.
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
        own = np.searchsorted(kinds, targets[taught])
        fitted = replace(fitted, temperature=fit_temperature(logits[taught][:, kinds], own))
    if not thresholds:
        return fitted
    known = kind_known | ~tumour
    return _with_threshold(fitted, logits[known], targets[known], seen[known].tolist())


def _scales(
    values: NDArray[np.float64], tumour: NDArray[np.bool_], sequences: NDArray[np.str_], *, thresholds: bool
) -> tuple[TumourScale, ...]:
    """Return the scale of all slices (N,), then of each sequence with enough slices with a tumour and without."""
    whole = fit_logistic(values, tumour, weights=_alike(tumour))
    scales = [_scale(values, tumour, whole, "", thresholds=thresholds)]
    for name in sorted(set(sequences.tolist()) - {""}):
        rows = sequences == name
        if min(int(tumour[rows].sum()), int((~tumour[rows]).sum())) >= _FEWEST_SLICES:
            own = fit_logistic(values[rows], tumour[rows], whole, _alike(tumour[rows]))
            scales.append(_scale(values[rows], tumour[rows], own, name, thresholds=thresholds))
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
    likely = logistic(scale * values + offset)
    pairs, truth = np.column_stack([1 - likely, likely]), tumour.astype(np.int64)
    bound = fit_confidence_threshold(pairs, truth, _alike(tumour)) if thresholds else 0.5
    return TumourScale(scale, offset, max(bound, 0.5), sequence)


def _alike(tumour: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return weights (N,), 1 on average, by which slices with a tumour and without count alike."""
    share = float(tumour.mean())
    if share in (0.0, 1.0):
        return np.ones(len(tumour))
    return np.where(tumour, 0.5 / share, 0.5 / (1 - share))


def _with_threshold(
    bundle: Bundle, logits: NDArray[np.floating], targets: NDArray[np.int64], sequences: Sequence[str | None]
) -> Bundle:
    likely = class_probabilities(logits, bundle, sequences)
    return replace(bundle, confidence_threshold=fit_confidence_threshold(likely, targets))


def validations(
    bundle: Bundle,
    logits: NDArray[np.floating],
    targets: NDArray[np.int64],
    sequences: Sequence[str | None],
    patients: Sequence[str],
) -> tuple[Validation, ...]:
    """Return the classes and sequences that a bundle may answer for, by slices that were not learned from.

    All have N entries: logits (N, K), classes, sequences (None where unknown) and patients or groups. Only answered
    slices count, and for a kind of tumour only those on which a tumour is predicted: whether there is one, and which,
    are two questions. A class is listed for a sequence where such slices of five patients or more were found, and it
    was the likeliest for 80 % of them.
    """
    kinds = {bundle.classes[place] for place in lesion_classes(bundle.classes)}
    free = replace(bundle, validated=None, confidence_threshold=0.0)
    likely = class_probabilities(logits, free, sequences)
    said = [decide(row, free, sequence).label for row, sequence in zip(likely, sequences, strict=True)]
    found = []
    for sequence in sorted({one for one in sequences if one}):
        for number, label in enumerate(bundle.classes):
            counted = kinds if label in kinds else set(bundle.classes)
            own = [row for row, one in enumerate(sequences) if one == sequence and targets[row] == number]
            rows = [row for row in own if said[row] in counted]
            right = sum(said[row] == label for row in rows)
            people = len({patients[row] for row in rows})
            if people >= _FEWEST_PATIENTS and right >= _RIGHT_ENOUGH * len(rows):
                found.append(Validation(label, sequence, people, len(rows), right))
    return tuple(found)
