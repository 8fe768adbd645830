"""Predictions of many slices, and the limits by which the benchmarks count them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from gadolin.models.bundle import SHIPPED, read_bundle, write_bundle
from gadolin.models.predictor import Predictor
from gadolin.records import Prediction, Slice

CONFIDENT = 0.9
"""The probability from which a wrong prediction counts as confident."""

OOD_CODES = ("colour_image", "several_slices", "out_of_distribution")
"""Reason codes of slices that are out of distribution the training data."""


def predict_all(predictor: Predictor, slices: Iterable[Slice]) -> list[Prediction]:
    """Return the predictions of slices; at most 32 slices are in memory at a time."""
    predictions: list[Prediction] = []
    waiting: list[Slice] = []
    for one in slices:
        waiting.append(one)
        if len(waiting) == 32:
            predictions += predictor.predict(waiting)
            waiting = []
    return predictions + predictor.predict(waiting)


def store_measured(name: str, *, slices: int, answered: int, right: int) -> None:
    """Store in the packaged bundle how many of ``slices`` it answered and classified rightly; the digest stays."""
    bundle = read_bundle(SHIPPED)
    measured = {"slices": slices, "answered": answered, "accuracy": round(right / answered, 4)}
    write_bundle(replace(bundle, metrics=bundle.metrics | {name: measured}))
