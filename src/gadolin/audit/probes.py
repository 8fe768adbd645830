"""How well a class can be told from something: out of fold, by whole groups, beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gadolin.audit.subject import Subject
from gadolin.splits import grouping_keys, join_copies
from gadolin.statistics import MINIMUM_GROUPS, Interval, Statistic, group_intervals, paired_intervals

__all__ = [
    "GROUPS_PER_CLASS",
    "SERIOUS",
    "TREES",
    "WARNING",
    "Probe",
    "difference",
    "drawn",
    "group_names",
    "missing",
    "probe",
    "severity",
    "told",
]

TREES = 100
GROUPS_PER_CLASS = 5
"""A class of fewer groups cannot be in every fold, and says nothing."""

SERIOUS = 0.5
WARNING = 0.2
"""Of the way from chance to 1 that the lower end of the interval must have gone."""

_FOLDS = 5
_LEAF = 2  # slices that a leaf of a tree holds at least
_RESAMPLES = 1000
_MOST = 8_000  # slices that are looked at; more cost time and hardly narrow an interval
_SHUFFLES = 3


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What one probe found on N slices of K classes.

    ``accuracy`` is the balanced accuracy out of fold, ``chance`` is 1 / K. ``predicted`` and ``targets`` are (N,)
    int64. ``telling`` names each column, or group of columns, with the balanced accuracy that is lost where it is
    shuffled, most first.
    """

    accuracy: Interval
    chance: float
    predicted: NDArray[np.int64]
    targets: NDArray[np.int64]
    groups: tuple[str, ...]
    telling: tuple[tuple[str, float], ...] = ()

    @property
    def above(self) -> float:
        """How far from chance, 0, to certainty, 1, the lower end of the interval lies; 0 without an interval."""
        return max(0.0, ((self.accuracy.low or 0.0) - self.chance) / (1 - self.chance))


def group_names(subject: Subject) -> list[str]:
    """Return for each slice under audit what it is held together by: patient and copies, also through others."""
    return grouping_keys(join_copies(subject.carried, subject.copies.joined[: subject.own]))


def missing(labels: Sequence[str], groups: Sequence[str]) -> str:
    """Return why nothing can be probed, as a clause, or an empty string: too few groups or classes, no scikit-learn."""
    if find_spec("sklearn") is None:
        return "scikit-learn is not installed; install it with: pip install 'gadolin[audit]'"
    pairs = set(zip(labels, groups, strict=True))
    counts = {label: sum(one == label for one, _ in pairs) for label in sorted(set(labels))}
    if len(counts) < 2:
        return f"a class can only be told from others, there {'is one' if counts else 'is none'}"
    if len(set(groups)) < MINIMUM_GROUPS or min(counts.values()) < GROUPS_PER_CLASS:
        least = min(counts, key=lambda label: counts[label])
        return (
            f"that takes {MINIMUM_GROUPS} groups by patient and copy or more, and {GROUPS_PER_CLASS} of each class; "
            f"there are {len(set(groups))}, of {least} {counts[least]}"
        )
    return ""


def drawn(groups: Sequence[str], most: int = _MOST) -> NDArray[np.int64]:
    """Return rows, in order: all, or those of whole groups drawn with a fixed seed until there are ``most``."""
    if len(groups) <= most:
        return np.arange(len(groups), dtype=np.int64)
    names, member = np.unique(np.asarray(groups, object).astype(str), return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    rank = np.empty(len(names), np.int64)
    rank[order] = np.cumsum(np.bincount(member)[order])
    return np.flatnonzero(rank[member] <= most)


def probe(
    features: NDArray[np.float32],
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
) -> Probe:
    """Tell the class from ``features`` by extremely randomised trees (Geurts et al., 2006), five folds of whole groups.

    Args:
        features: (N, F) float32, finite.
        labels: The class of each row; ``missing`` has returned nothing for them.
        groups: What each row is held together by; no group stands on both sides of a fold.
        columns: What each of the F columns is called; equal names are shuffled together. Where it is given, the
            result tells what each is worth.

    Returns:
        The same for the same input.
    """
    from sklearn.ensemble import ExtraTreesClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    classes, targets = np.unique(np.asarray(labels, object).astype(str), return_inverse=True)
    targets = targets.astype(np.int64)
    member = np.unique(np.asarray(groups, object).astype(str), return_inverse=True)[1]
    predicted = np.zeros(len(targets), np.int64)
    shuffled = {name: np.zeros((_SHUFFLES, len(targets)), np.int64) for name in dict.fromkeys(columns or ())}
    random = np.random.default_rng(0)
    for learned, held in StratifiedGroupKFold(_FOLDS, shuffle=True, random_state=0).split(features, targets, member):
        trees = ExtraTreesClassifier(TREES, min_samples_leaf=_LEAF, class_weight="balanced", random_state=0)
        trees.fit(features[learned], targets[learned])
        predicted[held] = trees.predict(features[held])
        for name, answers in shuffled.items():
            own = [place for place, column in enumerate(columns or ()) if column == name]
            for turn in range(_SHUFFLES):
                changed = features[held].copy()
                changed[:, own] = changed[random.permutation(len(held))][:, own]
                answers[turn, held] = trees.predict(changed)
    whole = _mean_recall(predicted, targets)
    lost = {name: whole - float(np.mean([_mean_recall(one, targets) for one in each])) for name, each in shuffled.items()}
    return Probe(
        accuracy=group_intervals(_balanced(predicted, targets), groups, resamples=_RESAMPLES)[0],
        chance=1 / len(classes),
        predicted=predicted,
        targets=targets,
        groups=tuple(groups),
        telling=tuple(sorted(lost.items(), key=lambda item: -item[1])),
    )


def difference(first: Probe, second: Probe) -> Interval:
    """Return the balanced accuracy of ``second`` minus that of ``first``, which looked at the same slices."""
    pair = (_balanced(one.predicted, one.targets) for one in (first, second))
    return paired_intervals(*pair, first.groups, resamples=_RESAMPLES)[0]


def severity(found: Probe) -> str:
    """Return "serious" from halfway between chance and certainty, "warning" from a fifth of the way, else "note"."""
    return "serious" if found.above >= SERIOUS else "warning" if found.above >= WARNING else "note"


def told(found: Probe) -> str:
    """Return the figure in words, such as "72 % (95 % interval 68 to 75 %), where chance gives 25 %"."""
    value, low, high = found.accuracy.value, found.accuracy.low, found.accuracy.high
    spread = "" if low is None or high is None else f" (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    return f"{100 * (value or 0.0):.0f} %{spread}, where chance gives {100 * found.chance:.0f} %"


def _balanced(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> Statistic:
    """Return the statistic whose one figure is the mean of the classes' recalls."""
    of_class = (targets[:, None] == np.arange(targets.max() + 1)).astype(np.float64)
    right = of_class * (predicted == targets)[:, None]

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        with np.errstate(invalid="ignore"):  # a resample may lack a class: no figure
            recalls: NDArray[np.float64] = (weights @ right) / (weights @ of_class)
        return recalls.mean(axis=1, keepdims=True)

    return statistic


def _mean_recall(predicted: NDArray[np.int64], targets: NDArray[np.int64]) -> float:
    return float(_balanced(predicted, targets)(np.ones((1, len(targets))))[0, 0])
