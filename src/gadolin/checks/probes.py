"""Probes: how well given features predict the class, as balanced accuracy out of fold by whole groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.dataset import Dataset
from gadolin.datasets.labels import class_name
from gadolin.metrics.bootstrap import (
    MINIMUM_GROUPS,
    Interval,
    Statistic,
    group_intervals,
    paired_intervals,
    unanimous_interval,
)
from gadolin.splits import grouping_keys, join_copies

__all__ = [
    "SERIOUS",
    "UNKNOWN_PATIENTS",
    "WARNING",
    "Probe",
    "ProbeData",
    "difference",
    "group_names",
    "has_unknown_patients",
    "in_words",
    "probe",
    "probe_data_of",
    "severity",
]

SERIOUS = 0.5
WARNING = 0.2
"""Thresholds of ``Probe.above``, the position of the interval's lower end between chance (0) and certainty (1)."""

UNKNOWN_PATIENTS = (
    "If some patients are unknown, slices of one patient may be in several folds, which inflates the figure and makes "
    "the interval too narrow: at most a warning."
)

_TREES = 50
_LEAF = 5  # minimum number of slices in a leaf
_FOLDS = 5
_RESAMPLES = 1000
_MOST = 8_000  # slices; more cost time and hardly narrow the interval


@dataclass(frozen=True, eq=False)
class ProbeData:
    """The N slices of a probe: their labels and groups (by patient and copies).

    ``has_unknown_patients``: some patients are unknown, so slices of one patient may be in several groups.
    """

    labels: tuple[str, ...]
    groups: tuple[str, ...]
    has_unknown_patients: bool = False

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> ProbeData:
        """Return the slices of ``rows``, in that order."""
        labels, groups = (tuple(column[row] for row in rows) for column in (self.labels, self.groups))
        return ProbeData(labels, groups, self.has_unknown_patients)

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted."""
        return tuple(sorted(set(self.labels)))

    @cached_property
    def targets(self) -> NDArray[np.int64]:
        """Class of each slice, (N,) int64, indices into ``classes``."""
        return np.array([self.classes.index(label) for label in self.labels], np.int64)

    @cached_property
    def folds(self) -> NDArray[np.int64]:
        """Fold of each slice, (N,) int64 from 0 to 4: whole groups, stratified by class, deterministic."""
        from sklearn.model_selection import StratifiedGroupKFold

        folds = np.zeros(len(self.labels), np.int64)
        _, member = np.unique(np.asarray(self.groups, object).astype(str), return_inverse=True)
        parts = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0).split(self.targets, self.targets, member)
        for number, (_, held) in enumerate(parts):
            folds[held] = number
        return folds

    @cached_property
    def counts(self) -> dict[str, int]:
        """Number of groups with slices of each class."""
        pairs = set(zip(self.labels, self.groups, strict=True))
        return {label: sum(one == label for one, _ in pairs) for label in self.classes}

    @cached_property
    def missing(self) -> str:
        """Why no probe is possible, as a clause, or empty: too few groups or classes, no scikit-learn."""
        if find_spec("sklearn") is None:
            return "scikit-learn is not installed; install it with: pip install 'gadolin[audit]'"
        if len(self.classes) < 2:
            return "it needs two classes, and there is no second one"
        counts = self.take(self.drawn).counts
        least = min(self.classes, key=lambda label: counts.get(label, 0))
        if counts.get(least, 0) < MINIMUM_GROUPS:
            where = "" if len(self.drawn) == len(self.labels) else f" among the {len(self.drawn):,} slices drawn"
            return (
                f"it needs at least {MINIMUM_GROUPS} groups by patient and copy in each class; "
                f"{class_name(least)} has "
                f"{counts.get(least, 0)}{where}"
            )
        return ""

    @cached_property
    def drawn(self) -> NDArray[np.int64]:
        """Rows to probe, in order: all, or for more than 8,000 a sample of whole groups with a fixed seed.

        Each class has an equal share of the sample; unused places of the smaller classes go to the larger ones. A group
        that does not fit is skipped. A group of several classes is drawn with the class of its first slice.
        """
        if len(self.groups) <= _MOST:
            return np.arange(len(self.groups), dtype=np.int64)
        names, first, member = np.unique(
            np.asarray(self.groups, object).astype(str), return_index=True, return_inverse=True
        )
        sizes, home = np.bincount(member), self.targets[first]
        random, taken, left = np.random.default_rng(0), np.zeros(len(names), np.bool_), _MOST
        smallest_first = sorted(range(len(self.classes)), key=lambda place: int(sizes[home == place].sum()))
        for done, place in enumerate(smallest_first):
            room = left // (len(smallest_first) - done)
            for group in random.permutation(np.flatnonzero(home == place)):
                if sizes[group] <= room:
                    taken[group] = True
                    room -= int(sizes[group])
                    left -= int(sizes[group])
        return np.flatnonzero(taken[member])


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Result of a probe on N slices of K classes.

    ``accuracy`` is the balanced accuracy out of fold, ``chance`` is 1 / K, ``predicted`` (N,) int64. ``telling`` lists
    each column, or group of columns, with the balanced accuracy lost when it is shuffled, largest first.
    ``has_unknown_patients`` is that of the data.
    """

    accuracy: Interval
    chance: float
    predicted: NDArray[np.int64]
    telling: tuple[tuple[str, float], ...] = ()
    has_unknown_patients: bool = False

    @property
    def above(self) -> float:
        """Position of the interval's lower end between chance (0) and certainty (1); 0 without an interval."""
        return max(0.0, ((self.accuracy.low or 0.0) - self.chance) / (1 - self.chance))


def group_names(dataset: Dataset) -> tuple[str, ...]:
    """Return the group of each slice under audit: connected by patient and copies, also through others."""
    return tuple(grouping_keys(join_copies(dataset.records_with_patients, dataset.copies.joined[: dataset.n_records])))


def has_unknown_patients(dataset: Dataset) -> bool:
    """Return whether some slices under audit have no patient, not even through their copies."""
    return not all(record.patient for record in dataset.records_with_patients)


def probe_data_of(dataset: Dataset) -> ProbeData:
    """Return the labels and groups of the slices under audit."""
    return ProbeData(
        tuple(record.label for record in dataset.records), group_names(dataset), has_unknown_patients(dataset)
    )


def probe(features: NDArray[np.float32], data: ProbeData, *, columns: Sequence[str] = ()) -> Probe:
    """Predict the class from ``features`` with extremely randomised trees (Geurts et al., 2006), in five grouped folds.

    Args:
        features: (N, F) float32, finite.
        data: The N slices; ``missing`` must be empty.
        columns: Name of each of the F columns; equal names are shuffled together. If given, the result holds the
            permutation importance of each (Breiman, 2001).

    Returns:
        A deterministic result.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    predicted = np.zeros(len(features), np.int64)
    without = {name: np.zeros(len(features), np.int64) for name in dict.fromkeys(columns)}
    random = np.random.default_rng(0)
    for fold in range(_FOLDS):
        held = np.flatnonzero(data.folds == fold)
        learned = np.flatnonzero(data.folds != fold)
        trees = ExtraTreesClassifier(_TREES, min_samples_leaf=_LEAF, class_weight="balanced", random_state=0)
        trees.fit(features[learned], data.targets[learned])
        predicted[held] = trees.predict(features[held])
        for name, guesses in without.items():
            places = [place for place, column in enumerate(columns) if column == name]
            changed = features[held].copy()
            changed[:, places] = changed[random.permutation(len(held))][:, places]
            guesses[held] = trees.predict(changed)
    whole = _mean_recall(predicted, data.targets)
    lost = {name: whole - _mean_recall(guesses, data.targets) for name, guesses in without.items()}
    return Probe(
        accuracy=_accuracy(predicted, data),
        chance=1 / len(data.classes),
        predicted=predicted,
        telling=tuple(sorted(lost.items(), key=lambda item: -item[1])),
        has_unknown_patients=data.has_unknown_patients,
    )


def difference(first: Probe, second: Probe, data: ProbeData) -> Interval:
    """Return the balanced accuracy of ``second`` minus that of ``first``, both on ``data``."""
    before, after = (_balanced(one.predicted, data.targets) for one in (first, second))
    return paired_intervals(before, after, data.groups, resamples=_RESAMPLES)[0]


def severity(found: Probe) -> str:
    """Return "serious" from halfway between chance and certainty, "warning" from a fifth of the way, else "note".

    At most a warning if some patients are unknown.
    """
    if found.above < WARNING:
        return "note"
    return "serious" if found.above >= SERIOUS and not found.has_unknown_patients else "warning"


def in_words(found: Probe) -> str:
    """Return the balanced accuracy in words, such as "72 % (95 % interval 68 to 75 %, chance 25 %)"."""
    value, low, high = found.accuracy.value, found.accuracy.low, found.accuracy.high
    spread = "" if low is None or high is None else f"95 % interval {100 * low:.0f} to {100 * high:.0f} %, "
    unknown = ", inflated as some patients are unknown" if found.has_unknown_patients else ""
    return f"{100 * (value or 0.0):.0f} % ({spread}chance {100 * found.chance:.0f} %{unknown})"


def _accuracy(predicted: NDArray[np.int64], data: ProbeData) -> Interval:
    """Return the balanced accuracy; if it is 1, with the exact bound of the class with the fewest groups."""
    found = group_intervals(_balanced(predicted, data.targets), data.groups, resamples=_RESAMPLES)[0]
    if found.value == 1.0 and found.low is None:
        return unanimous_interval(1.0, min(data.counts.values()))
    return found


def _balanced(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> Statistic:
    """Return the statistic of the mean recall over the classes."""
    of_class = (targets[:, None] == np.arange(targets.max() + 1)).astype(np.float64)
    right = of_class * (predicted == targets)[:, None]

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # a resample may lack a class: NaN
            recalls: NDArray[np.float64] = (weights @ right) / (weights @ of_class)
        means: NDArray[np.float64] = recalls.mean(axis=1, keepdims=True)
        return means

    return statistic


def _mean_recall(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    return float(_balanced(predicted, targets)(np.ones((1, len(targets))))[0, 0])
