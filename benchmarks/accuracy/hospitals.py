"""A frozen model on unseen hospitals: tumour or none, by sequence. No choice may depend on it.

    python -m benchmarks run hospitals EXTERNAL --why "candidate of ..." [--model MODEL] [--write]

EXTERNAL holds ``slices.csv`` (path,label,patient,sequence,outline). Each use is logged with the digest of the model in
docs/tables/external-readings.csv. Intervals resample patients; for fewer than ten patients they are Wilson intervals
with the patients as trials.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.publish import ROOT, keep_predictions, markdown, publish, resampled, wilson
from benchmarks.verdicts import CONFIDENT, OOD_CODES, predict_all, store_measured
from gadolin.datasets import scan
from gadolin.metrics.bootstrap import MINIMUM_GROUPS
from gadolin.metrics.decisions import Decisions
from gadolin.metrics.table import Table
from gadolin.models.decision import TUMOUR_SUSPECTED
from gadolin.models.predictor import Predictor
from gadolin.readers import read
from gadolin.records import Prediction, Record

LOG = ROOT / "docs" / "tables" / "external-readings.csv"
HEAD = ["set", "sequence", "true class", "slices", "patients", "answered", "correct of answered",
        "wrong with p >= 0.9, of all",
        "out of distribution", "class predicted", "correct of predicted", "sequence recognised"]  # fmt: skip

NOTE = (
    "ms: multiple sclerosis; progression: glioblastoma after treatment. Answered: the model predicts a class or "
    "suspects a tumour. Correct: it is right about tumour or no tumour. Wrong with p >= 0.9: the wrong answer has a "
    "probability of 0.9 or more, whether the slice is answered or declined for low confidence, but not if it is out "
    "of distribution. Class predicted: the model predicts one of the four classes, so for a tumour also its kind; "
    "correct of predicted: it is the true class."
)


@dataclass(frozen=True)
class Answered:
    """Properties of N predictions, (N,) bool each."""

    stated: NDArray[np.bool_]
    right: NDArray[np.bool_]
    sure: NDArray[np.bool_]
    unlike: NDArray[np.bool_]
    named: NDArray[np.bool_]
    named_right: NDArray[np.bool_]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("external", type=Path)
    parser.add_argument("--why", required=True, help="purpose of the evaluation, for the log")
    parser.add_argument("--model", type=Path, help="default: the packaged model")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.model)
    log(predictor.bundle.digest, arguments.why)
    records = scan(arguments.external).records
    answers = predict_all(predictor, (read(one.path) for one in records))
    if arguments.write:
        keep_predictions(f"hospitals-{predictor.bundle.digest}", table_of(predictor, records, answers))
        if arguments.model is None:
            some = counted(answers, [one.label for one in records])
            stated, right = int(some.stated.sum()), int(some.right.sum())
            store_measured("other_hospitals", slices=len(records), answered=stated, right=right)
    lines = [*markdown(HEAD, rows(records, answers)), "", NOTE]
    publish("hospitals", "Tumour or no tumour at other hospitals", lines, write=arguments.write)


def log(digest: str, why: str) -> None:
    """Log the use of the external hospitals, before it happens."""
    new = not LOG.is_file()
    with LOG.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if new:
            writer.writerow(("date", "model", "why"))
        writer.writerow((datetime.now(UTC).isoformat(timespec="minutes"), digest, why))


def rows(records: Sequence[Record], answers: Sequence[Prediction]) -> list[list[str]]:
    """Return a row for each set, sequence and label."""
    cells = []
    keys = [(one.patient.partition("-")[0], one.sequence, one.label) for one in records]
    for key in sorted(set(keys)):
        own = [number for number, one in enumerate(keys) if one == key]
        patients = [records[number].patient for number in own]
        some = counted([answers[number] for number in own], [records[number].label for number in own])
        every = np.ones(len(own), np.bool_)
        recognised = np.array([answers[number].sequence == records[number].sequence for number in own])
        cells.append([
            *key, str(len(own)), str(len(set(patients))),
            share(some.stated, every, patients), share(some.right, some.stated, patients),
            share(some.sure, every, patients), share(some.unlike, every, patients), share(some.named, every, patients),
            share(some.named_right, some.named, patients), share(recognised, every, patients),
        ])  # fmt: skip
    return cells


def counted(answers: Sequence[Prediction], labels: Sequence[str]) -> Answered:
    """Return the properties of predictions; a prediction is stated if it has a class or suspects a tumour.

    No prediction is right for the label "".
    """
    known, tumour = np.array([bool(label) for label in labels]), np.array([label != "notumor" for label in labels])
    likely = np.array([1 - one.probabilities["notumor"] for one in answers])
    stated = np.array([one.label is not None or one.reason_code in TUMOUR_SUSPECTED for one in answers])
    unlike = np.array([one.reason_code in OOD_CODES for one in answers])
    named = np.array([one.label is not None for one in answers])
    right = stated & known & ((likely >= 0.5) == tumour)
    sure = ~unlike & known & (np.where(tumour, 1 - likely, likely) >= CONFIDENT)
    named_right = named & np.array([one.label == label for one, label in zip(answers, labels, strict=True)])
    return Answered(stated, right, sure, unlike, named, named_right)


def share(part: NDArray[np.bool_], whole: NDArray[np.bool_], patients: Sequence[str]) -> str:
    """Return the share of ``part`` in ``whole`` in percent, with its interval over patients."""
    if not whole.any():
        return "-"
    there = {patients[row] for row in np.flatnonzero(whole)}
    if len(there) >= MINIMUM_GROUPS:
        return resampled(part, whole, patients)
    value = float((part & whole).sum() / whole.sum())
    low, high = wilson(value, len(there))
    return f"{100 * value:.1f} % ({100 * low:.1f}-{100 * high:.1f})"


def table_of(predictor: Predictor, records: Sequence[Record], answers: Sequence[Prediction]) -> Table:
    """Return the predictions as a table."""
    classes = predictor.bundle.classes
    likely = np.array([[one.probabilities[name] for name in classes] for one in answers], np.float64)
    return Table(
        classes=classes,
        probabilities=likely / likely.sum(axis=1, keepdims=True),
        truth=np.array([classes.index(one.label) for one in records], np.int64),
        paths=tuple(one.name for one in records),
        groups=tuple(one.patient for one in records),
        parts=tuple("" for _ in records),
        digests=tuple(one.key for one in records),
        decisions=Decisions.of(answers),
    )
