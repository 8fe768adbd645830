"""What a bundle decides by, fitted on slices that were not learned from: temperature, tumour scale and thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gadolin.bundle import Bundle, TumourScale, Validation
from gadolin.decision import class_probabilities, decide, tumour_logits
from gadolin.metrics import fit_temperature
from gadolin.metrics.calibration import fit_logistic
from gadolin.metrics.selective import naming_bound
from gadolin.training.teaching import lesion_classes

__all__ = ["calibrated", "validations"]

_FEWEST_PATIENTS = 5
_RIGHT_ENOUGH = 0.8  # of the slices of a class and sequence, named or not


def calibrated(
    bundle: Bundle,
    logits: NDArray[np.floating],
    targets: NDArray[np.int64],
    kind_known: NDArray[np.bool_] | None = None,
    *,
    thresholds: bool = True,
) -> Bundle:
    """Return the bundle with its temperature and, unless that is not wanted, its thresholds.

    ``logits`` (N, K) and classes ``targets`` (N,) in [0, K) are of slices that were not learned from. Where
    ``kind_known`` (N,) bool tells which of them are of sources that teach their kind, the probability of a tumour is
    calibrated on all slices, and that of the kinds among themselves on tumours whose kind is known.
    """
    if kind_known is None:
        fitted = replace(bundle, temperature=fit_temperature(logits, targets))
        return _with_threshold(fitted, logits, targets) if thresholds else fitted
    kinds = np.array(lesion_classes(bundle.classes))
    tumour = np.isin(targets, kinds)
    taught = tumour & kind_known
    scale, offset = fit_logistic(tumour_logits(logits, bundle.classes), tumour)
    fitted = replace(bundle, p_tumour=TumourScale(scale, offset))
    if taught.any():
        own = np.searchsorted(kinds, targets[taught])
        fitted = replace(fitted, temperature=fit_temperature(logits[taught][:, kinds], own))
    if not thresholds:
        return fitted
    likely = class_probabilities(logits, fitted)[:, kinds].sum(axis=1)
    bound = naming_bound(np.column_stack([1 - likely, likely]), tumour.astype(np.int64))
    fitted = replace(fitted, p_tumour=TumourScale(scale, offset, max(bound, 0.5)))
    known = kind_known | ~tumour
    return _with_threshold(fitted, logits[known], targets[known])


def _with_threshold(bundle: Bundle, logits: NDArray[np.floating], targets: NDArray[np.int64]) -> Bundle:
    return replace(bundle, confidence_threshold=naming_bound(class_probabilities(logits, bundle), targets))


def validations(
    bundle: Bundle,
    logits: NDArray[np.floating],
    targets: NDArray[np.int64],
    sequences: Sequence[str | None],
    patients: Sequence[str],
) -> tuple[Validation, ...]:
    """Return the classes and sequences that a bundle may answer for, by slices that were not learned from.

    All have N entries: logits (N, K), classes, sequences (None where unknown) and patients or groups. A class is listed
    for a sequence where it was tested on slices of five patients or more and was the likeliest for 80 % of them.
    """
    free = replace(bundle, validated=None, confidence_threshold=0.0)
    if free.p_tumour is not None:
        free = replace(free, p_tumour=replace(free.p_tumour, threshold=0.5))
    named = [decide(row, free, sequence).label for row, sequence in zip(
        class_probabilities(logits, free), sequences, strict=True
    )]  # fmt: skip
    found = []
    for sequence in sorted({one for one in sequences if one}):
        for number, label in enumerate(bundle.classes):
            rows = [row for row, one in enumerate(sequences) if one == sequence and targets[row] == number]
            right = sum(named[row] == label for row in rows)
            people = len({patients[row] for row in rows})
            if people >= _FEWEST_PATIENTS and right >= _RIGHT_ENOUGH * len(rows):
                found.append(Validation(label, sequence, people, len(rows), right))
    return tuple(found)
