"""Checks of sources: known releases, mixed data sets, classes from different sources."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.dataset import Dataset
from gadolin.checks.leakage import copies_across
from gadolin.checks.probes import group_names, has_unknown_patients
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted, percent
from gadolin.datasets import SOURCES
from gadolin.datasets.labels import class_name
from gadolin.metrics.bootstrap import Interval, group_intervals, unanimous_interval
from gadolin.records import Finding

__all__ = ["guessed", "mixed", "release", "sources"]


def mixed(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a warning or note where the data set has several sources, with the slices that two of them share."""
    if not any(record.source for record in dataset.records):
        return Skipped("the data set has no source column")
    sources = Counter(record.source or "unknown" for record in dataset.records)
    if len(sources) < 2:
        return []
    known = sorted({source.release.name for _, source in SOURCES.items()} & set(sources))
    shared = copies_across(dataset, {row: record.source for row, record in enumerate(dataset.records)})
    listed = ", ".join(f"{name} {count:,}" for name, count in sources.most_common())
    overlap = f"; {counted(len(shared), 'slice')} in more than one source" if shared else ""
    return [
        Finding(
            kind="mixed",
            severity="warning" if shared or len(known) > 1 else "note",
            message=f"The data set mixes {counted(len(sources), 'source')}: {listed}{overlap}.",
            rule="The source column has several values; public collections reuse each other's slices, so two sources "
            "may hold copies. The score is the number of groups of copies across sources.",
            remedy="Split all sources together with gadolin split, and report the metrics of each source.",
            members=tuple(dataset.names_of(rows) for rows in shared),
            score=float(len(shared)),
        )
    ]


_TELLING = 0.1  # of the slices: gain over always predicting the most frequent class


def sources(dataset: Dataset) -> list[Finding]:
    """Return a warning where the source column, or the size of the pictures, predicts the class."""
    sizes = [f"{one.width} x {one.height}" for one in dataset.facts[: dataset.n_records]]
    found = [
        _telling(dataset, [record.source for record in dataset.records], "source", "the source column"),
        _telling(dataset, sizes, "size", "width and height"),
    ]
    return [one for one in found if one is not None]


def guessed(labels: Sequence[str], groups: Sequence[str], values: Sequence[str]) -> NDArray[np.bool_]:
    """Return (N,) whether each slice has the label most frequent among other groups with the same value.

    If no other group has the value, the most frequent label of all is used; it also breaks ties.
    """
    all_of = Counter(labels)
    within: dict[str, Counter[str]] = defaultdict(Counter)
    own: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for label, group, value in zip(labels, groups, values, strict=True):
        within[value][label] += 1
        own[value, group][label] += 1
    guesses = {}
    for value, group in own:
        others = within[value] - own[value, group] or all_of
        guesses[value, group] = max(others, key=lambda name: (others[name], all_of[name], name))
    rows = zip(labels, groups, values, strict=True)
    return np.array([guesses[value, group] == label for label, group, value in rows], np.bool_)


def _telling(dataset: Dataset, values: Sequence[str], what: str, of: str) -> Finding | None:
    if len(set(values)) < 2:
        return None
    labels, groups = [record.label for record in dataset.records], group_names(dataset)
    right = guessed(labels, groups, values)
    share, all_of = float(right.mean()), Counter(labels)
    usual = all_of.most_common(1)[0][1]
    low = _interval(right, groups).low
    if share - usual / len(labels) < _TELLING or low is None or low <= usual / len(labels):
        return None
    within: dict[str, Counter[str]] = defaultdict(Counter)
    for label, value in zip(labels, values, strict=True):
        within[value][label] += 1
    value, classes = max(within.items(), key=lambda item: (sum(item[1].values()), item[0]))
    counts = ", ".join(f"{class_name(name)} {percent(classes[name], all_of[name])}" for name in sorted(all_of))
    unknown = " (inflated, as some patients are unknown)" if has_unknown_patients(dataset) else ""
    return Finding(
        kind="sources",
        severity="warning",
        message=f"The {what} of a picture predicts its class for {percent(int(right.sum()), len(labels))} of the slices"
        f"{unknown}, against {percent(usual, len(labels))} for always predicting the most frequent class; {value!r}, "
        f"for example, holds of each class: {counts}.",
        rule=f"Each slice is assigned the most frequent class among slices of the same {what} ({of}) from other "
        f"patients, without copies; reported if this is correct {100 * _TELLING:.0f} points more often than the "
        "most frequent class, and the lower end of its 95 % interval by group is higher too. Slices with an unknown "
        "patient count as other patients. The score is the share of correct slices.",
        remedy="Take every class from the same sources, or test within one source; a network may learn the source "
        "instead of the disease.",
        score=share,
    )


def _interval(right: NDArray[np.bool_], groups: Sequence[str]) -> Interval:
    """Return the share that is correct with its interval; the exact bound if all are."""
    if right.all():
        return unanimous_interval(1.0, len(set(groups)))

    def share(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray((weights @ right[:, None]) / weights.sum(axis=1, keepdims=True), np.float64)

    return group_intervals(share, groups, resamples=1000)[0]


def release(dataset: Dataset) -> list[Finding]:
    """Return a note for each data set that is a known public release."""
    found = []
    for scan in (dataset.scan, dataset.against):
        if scan is not None and scan.release is not None:
            known = scan.release
            found.append(
                Finding(
                    kind="release",
                    severity="note",
                    message=f"{scan.root} is {known.name}: {known.title}.",
                    rule="The source column, or the number of slices of every part and class, is that of the release.",
                    remedy=f"Licence: {known.licence}; please cite: {known.citation}. See {known.url}.",
                )
            )
    return found
