"""How well a class can be predicted from something: out of fold, by whole groups, beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.dataset import Dataset
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
"""Of the way from chance to 1 that the lower end of the interval must have gone."""

UNKNOWN_PATIENTS = (
    "Where patients are not all known, the figure includes what a patient's own slices give away and the interval is "
    "too narrow: never more than a warning."
)

_TREES = 50
_LEAF = 5  # slices that a leaf of a tree holds at least
_FOLDS = 5
_RESAMPLES = 1000
_MOST = 8_000  # slices that are looked at; more cost time and hardly narrow an interval


@dataclass(frozen=True, eq=False)
class ProbeData:
    """The slices whose class is to be predicted: N labels, and what each is held together by (patient, copies).

    ``has_unknown_patients``: some patients are not known, so slices of one patient may be in several groups.
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
        """Each slice's class, (N,) int64, indices into ``classes``."""
        return np.array([self.classes.index(label) for label in self.labels], np.int64)

    @cached_property
    def folds(self) -> NDArray[np.int64]:
        """Each slice's fold, (N,) int64 from 0 to 4: whole groups, classes in about equal shares, always the same."""
        from sklearn.model_selection import StratifiedGroupKFold

        folds = np.zeros(len(self.labels), np.int64)
        _, member = np.unique(np.asarray(self.groups, object).astype(str), return_inverse=True)
        parts = StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0).split(self.targets, self.targets, member)
        for number, (_, held) in enumerate(parts):
            folds[held] = number
        return folds

    @cached_property
    def counts(self) -> dict[str, int]:
        """How many groups hold slices of each class."""
        pairs = set(zip(self.labels, self.groups, strict=True))
        return {label: sum(one == label for one, _ in pairs) for label in self.classes}

    @cached_property
    def missing(self) -> str:
        """Why nothing can be probed, as a clause, or empty: too few groups or classes, no scikit-learn."""
        if find_spec("sklearn") is None:
            return "scikit-learn is not installed; install it with: pip install 'gadolin[audit]'"
        if len(self.classes) < 2:
            return "a class can only be told from others, and there is no second one"
        counts = self.take(self.drawn).counts
        least = min(self.classes, key=lambda label: counts.get(label, 0))
        if counts.get(least, 0) < MINIMUM_GROUPS:
            of = "" if len(self.drawn) == len(self.labels) else f" among the {len(self.drawn):,} slices drawn"
            return (
                f"that takes {MINIMUM_GROUPS} groups by patient and copy or more of each class; {least} has "
                f"{counts.get(least, 0)}{of}"
            )
        return ""

    @cached_property
    def drawn(self) -> NDArray[np.int64]:
        """Rows to look at, in order: all, or of more than 8,000 those of whole groups, drawn with a fixed seed.

        Each class has an equal share of the places, the smallest first, and leaves what it does not fill to the next; a
        group that does not fit is passed over. A group of several classes is drawn with that of its first slice.
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
    """What one probe found on N slices of K classes.

    ``accuracy`` is the balanced accuracy out of fold, ``chance`` is 1 / K, ``predicted`` (N,) int64. ``telling`` names
    each column, or group of columns, with the balanced accuracy that is lost where it is shuffled, most first.
    ``has_unknown_patients`` is that of what was asked.
    """

    accuracy: Interval
    chance: float
    predicted: NDArray[np.int64]
    telling: tuple[tuple[str, float], ...] = ()
    has_unknown_patients: bool = False

    @property
    def above(self) -> float:
        """How far from chance, 0, to certainty, 1, the lower end of the interval lies; 0 without an interval."""
        return max(0.0, ((self.accuracy.low or 0.0) - self.chance) / (1 - self.chance))


def group_names(dataset: Dataset) -> tuple[str, ...]:
    """Return for each slice under audit what it is held together by: patient and copies, also through others."""
    return tuple(grouping_keys(join_copies(dataset.records_with_patients, dataset.copies.joined[: dataset.n_records])))


def has_unknown_patients(dataset: Dataset) -> bool:
    """Return whether the patients of some slices under audit are not known, not even by their copies."""
    return not all(record.patient for record in dataset.records_with_patients)


def probe_data_of(dataset: Dataset) -> ProbeData:
    """Return the classes of the slices under audit, with their groups."""
    return ProbeData(
        tuple(record.label for record in dataset.records), group_names(dataset), has_unknown_patients(dataset)
    )


def probe(features: NDArray[np.float32], asked: ProbeData, *, columns: Sequence[str] = ()) -> Probe:
    """Tell the class from ``features`` by extremely randomised trees (Geurts et al., 2006), five folds of whole groups.

    Args:
        features: (N, F) float32, finite.
        asked: The N slices; nothing is ``missing``.
        columns: What each of the F columns is called; equal names are shuffled together. Where it is given, the
            result tells what each is worth (permutation importance; Breiman, 2001).

    Returns:
        The same for the same input.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    predicted = np.zeros(len(features), np.int64)
    without = {name: np.zeros(len(features), np.int64) for name in dict.fromkeys(columns)}
    random = np.random.default_rng(0)
    for fold in range(_FOLDS):
        held = np.flatnonzero(asked.folds == fold)
        learned = np.flatnonzero(asked.folds != fold)
        trees = ExtraTreesClassifier(_TREES, min_samples_leaf=_LEAF, class_weight="balanced", random_state=0)
        trees.fit(features[learned], asked.targets[learned])
        predicted[held] = trees.predict(features[held])
        for name, answers in without.items():
            own = [place for place, column in enumerate(columns) if column == name]
            changed = features[held].copy()
            changed[:, own] = changed[random.permutation(len(held))][:, own]
            answers[held] = trees.predict(changed)
    whole = _mean_recall(predicted, asked.targets)
    lost = {name: whole - _mean_recall(answers, asked.targets) for name, answers in without.items()}
    return Probe(
        accuracy=_accuracy(predicted, asked),
        chance=1 / len(asked.classes),
        predicted=predicted,
        telling=tuple(sorted(lost.items(), key=lambda item: -item[1])),
        has_unknown_patients=asked.has_unknown_patients,
    )


def difference(first: Probe, second: Probe, asked: ProbeData) -> Interval:
    """Return the balanced accuracy of ``second`` minus that of ``first``, which both looked at ``asked``."""
    before, after = (_balanced(one.predicted, asked.targets) for one in (first, second))
    return paired_intervals(before, after, asked.groups, resamples=_RESAMPLES)[0]


def severity(found: Probe) -> str:
    """Return "serious" from halfway between chance and certainty, "warning" from a fifth of the way, else "note".

    Where patients are not all known it is no more than a warning.
    """
    if found.above < WARNING:
        return "note"
    return "serious" if found.above >= SERIOUS and not found.has_unknown_patients else "warning"


def in_words(found: Probe) -> str:
    """Return the figure in words, such as "72 % (95 % interval 68 to 75 %), where chance gives 25 %"."""
    value, low, high = found.accuracy.value, found.accuracy.low, found.accuracy.high
    spread = "" if low is None or high is None else f" (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    if found.has_unknown_patients:
        spread += ", what a patient's own slices give away included, as patients are not all known,"
    return f"{100 * (value or 0.0):.0f} %{spread} where chance gives {100 * found.chance:.0f} %"


def _accuracy(predicted: NDArray[np.int64], asked: ProbeData) -> Interval:
    """Return the balanced accuracy; where every answer is right, with the exact bound of the class of fewest groups."""
    found = group_intervals(_balanced(predicted, asked.targets), asked.groups, resamples=_RESAMPLES)[0]
    if found.value == 1.0 and found.low is None:
        return unanimous_interval(1.0, min(asked.counts.values()))
    return found


def _balanced(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> Statistic:
    """Return the statistic whose one figure is the mean of the classes' recalls."""
    of_class = (targets[:, None] == np.arange(targets.max() + 1)).astype(np.float64)
    right = of_class * (predicted == targets)[:, None]

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # a resample may lack a class: no figure
            recalls: NDArray[np.float64] = (weights @ right) / (weights @ of_class)
        means: NDArray[np.float64] = recalls.mean(axis=1, keepdims=True)
        return means

    return statistic


def _mean_recall(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    return float(_balanced(predicted, targets)(np.ones((1, len(targets))))[0, 0])
