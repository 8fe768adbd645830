"""Check for drift: whether the slices differ from the training data of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.dataset import Dataset
from gadolin.checks.probes import group_names, has_unknown_patients
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted
from gadolin.metrics.bootstrap import MINIMUM_GROUPS
from gadolin.preprocessing.appearance import APPEARANCE, DECIMALS, QUANTILES, appearance, read_summary
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers.read_records import each_slice
from gadolin.records import Finding, Record, Slice

__all__ = ["Shift", "chance_distance", "compared", "drift", "effective_groups"]

_DRIFT = 0.2  # Kolmogorov-Smirnov distance
_STRONG = 0.4
_UNSTABLE = 0.25  # population stability index: "a major shift" (Siddiqi, Credit Risk Scorecards, 2006)
_CHANCE = 2.2  # times sqrt(1/n + 1/m): exceeded by chance in one of 8,000 statistics, 8 per data set (Smirnov, 1948)
_RULE = (
    "Eight statistics of each prepared slice are compared with the quantiles of the training data in the bundle, mixed "
    f"in the class proportions found here. Drift: a Kolmogorov-Smirnov distance of {_DRIFT} or more that chance "
    "explains in at most one of a thousand data sets, given the number of groups by patient and copy here and of "
    f"each class in training; serious from {_STRONG} with a population stability index of {_UNSTABLE} or more. If some "
    "patients are unknown, slices of one patient count as several groups: at most a warning. The score is the largest "
    "distance."
)


@dataclass(frozen=True, slots=True)
class Shift:
    """Shift of one statistic: Kolmogorov-Smirnov ``distance`` in [0, 1], population ``stability`` index, medians."""

    name: str
    distance: float
    stability: float
    before: float
    now: float


def drift(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a finding where the slices drifted from the bundle's training data.

    Skipped without a bundle or without its statistics. Raises BundleError where these are damaged.
    """
    if dataset.bundle is None:
        return Skipped("no model was given")
    kept = dataset.bundle.facts.get("statistics")
    if kept is None:
        return Skipped("the bundle keeps no statistics of its training data; train again to record them")
    groups, quantiles = read_summary(kept)
    labels = [record.label for record in dataset.records]
    now, before = len(set(group_names(dataset))), effective_groups(labels, groups)
    if min(before, now) < MINIMUM_GROUPS:
        got = f"there are {now} here and {before:.0f} in training"
        return Skipped(f"it needs {MINIMUM_GROUPS} groups by patient and copy, {got}; audit more slices at once")
    shifts = compared(_appearance(dataset, dataset.bundle.preparation), labels, quantiles)
    drifted = [one for one in shifts if one.distance >= chance_distance(now, before)]
    return [_found(drifted, now, known=not has_unknown_patients(dataset))] if drifted else []


def effective_groups(labels: Sequence[str], groups: Mapping[str, float]) -> float:
    """Return the effective number of reference groups, with the ``groups`` of each class mixed as in ``labels``."""
    return 1 / sum(share**2 / max(groups[name], 1e-9) for name, share in _shares(labels, groups).items())


def chance_distance(now: float, before: float) -> float:
    """Return the distance from which a statistic counts as drift, for these numbers of groups."""
    return max(_DRIFT, _CHANCE * float(np.sqrt(1 / now + 1 / before)))


def compared(
    values: NDArray[np.float32], labels: Sequence[str], quantiles: Mapping[str, Mapping[str, NDArray[np.float64]]]
) -> list[Shift]:
    """Compare (N, 8) values with quantiles, as ``read_summary`` returns them; the largest distance first.

    If every label is a class of the model, its classes are mixed in the proportions of ``labels``, so that another
    class mix is not drift; otherwise all of its slices are the reference.
    """
    shares = _shares(labels, quantiles)
    shifts = []
    for place, name in enumerate(APPEARANCE):
        own: NDArray[np.float64] = np.asarray(values[:, place], np.float64).round(DECIMALS)
        own.sort()
        shifts.append(_shift(name, own, {label: (share, quantiles[label][name]) for label, share in shares.items()}))
    return sorted(shifts, key=lambda one: -one.distance)


def _shares(labels: Sequence[str], known: Container[str]) -> dict[str, float]:
    """Return the share of each class in ``labels``; of all slices together where the model lacks a class."""
    if not all(label in known for label in labels):
        return {"": 1.0}
    return {label: count / len(labels) for label, count in sorted(Counter(labels).items())}


def _shift(name: str, own: NDArray[np.float64], mixed: Mapping[str, tuple[float, NDArray[np.float64]]]) -> Shift:
    def share(points: NDArray[np.float64], *, inclusive: bool) -> NDArray[np.float64]:
        each = [part * _below(values, points, inclusive=inclusive) for part, values in mixed.values()]
        return np.asarray(np.sum(each, axis=0), np.float64)

    def found(points: NDArray[np.float64], *, inclusive: bool) -> NDArray[np.float64]:
        return np.searchsorted(own, points, side="right" if inclusive else "left") / len(own)

    points = np.unique(np.concatenate([values for _, values in mixed.values()]))
    gaps = (share(points, inclusive=side) - found(points, inclusive=side) for side in (False, True))
    distance = max(float(np.abs(gap).max()) for gap in gaps)
    at = share(points, inclusive=True)
    tenths = np.unique(np.interp(np.arange(1, 10) / 10, at, points))
    least = 0.5 / len(own)
    before, now = (
        np.maximum(np.diff(np.concatenate([[0.0], side(tenths, inclusive=True), [1.0]])), least)
        for side in (share, found)
    )
    stability = float(((now - before) * np.log(now / before)).sum())
    return Shift(name, distance, stability, float(np.interp(0.5, at, points)), float(np.median(own)))


def _below(values: NDArray[np.float64], points: NDArray[np.float64], *, inclusive: bool) -> NDArray[np.float64]:
    """Return the share of slices below each point, or at it as well, by quantiles joined with straight lines."""
    levels = np.asarray(QUANTILES)
    if inclusive:
        return np.asarray(np.interp(points, values, levels, left=0.0, right=1.0), np.float64)
    return np.asarray(1 - np.interp(-points, -values[::-1], 1 - levels[::-1], left=0.0, right=1.0), np.float64)


def _appearance(dataset: Dataset, preparation: Preparation) -> NDArray[np.float32]:
    if preparation == Preparation():
        return appearance(dataset.slices, range(dataset.n_records))
    return _prepared_otherwise(dataset.records, preparation)


def _prepared_otherwise(records: Sequence[Record], preparation: Preparation) -> NDArray[np.float32]:
    statistics = np.zeros((len(records), len(APPEARANCE)), np.float32)

    def make(row: int, image: Slice, _kind: str) -> None:
        statistics[row] = appearance(prepare(image, preparation)[None], [0])[0]

    for _ in each_slice(records, make):
        pass
    return statistics


def _found(drifted: Sequence[Shift], groups: int, *, known: bool) -> Finding:
    strong = any(one.distance >= _STRONG and one.stability >= _UNSTABLE for one in drifted)
    each = ", ".join(
        f"{one.name} {one.before:.3g} -> {one.now:.3g} (distance {one.distance:.2f}, index {one.stability:.2f})"
        for one in drifted
    )
    return Finding(
        kind="drift",
        severity="serious" if strong and known else "warning",
        message=f"The slices differ from the training data of the model in {len(drifted)} of {len(APPEARANCE)} "
        f"statistics over {counted(groups, 'group')}"
        f"{'' if known else ' (in fact fewer, as some patients are unknown)'}: {each}.",
        rule=_RULE,
        remedy="Do not assume the reported performance of the model for these slices: evaluate it on some of them with "
        "known labels, check for another sequence, scanner or rendering, and recalibrate or retrain.",
        score=drifted[0].distance,
    )
