"""Score methods against outlines: a row per slice and method, and means with intervals by patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import DataError
from gadolin.explanations.explain import explain_prepared
from gadolin.explanations.explained_slice import ExplainedSlice, Heat, subject
from gadolin.explanations.options import Options
from gadolin.explanations.registry import METHODS, method
from gadolin.explanations.scoring.baseline_maps import PRIORS
from gadolin.explanations.scoring.faithfulness import deletion_and_insertion
from gadolin.explanations.scoring.localisation import average_precision, dice, energy_inside, overlap, pointing
from gadolin.metrics.bootstrap import Interval, group_intervals
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.outlines import slice_and_mask
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.splits import grouping_keys

__all__ = [
    "FAITHFUL",
    "MEASURES",
    "SIZES",
    "Row",
    "RowStore",
    "ScoringConfig",
    "figures",
    "marked_above",
    "score_explanations",
]

MEASURES = ("pointing", "energy", "iou", "auprc", "dice")
"""Agreement of the heat with the outline."""

FAITHFUL = ("deletion", "insertion")
"""Faithfulness of the heat to the model: areas under the deletion and insertion curves."""

_MARKED_PRIORS = {"random": 0.1, "centre": 0.9, "brain": 0.1, "edges": 0.3}

SIZES = ("small", "middle", "large")
_SIZE_LIMITS = (0.01, 0.03)  # of the head's area


class RowStore(Protocol):
    """Stores the rows of scored slices, by their index among the outlined ones, to resume a scoring."""

    def rows(self, place: int) -> list[Row] | None:
        """Return the rows of the slice at index ``place``, None if it was not scored yet."""

    def keep(self, place: int, rows: list[Row]) -> None:
        """Store the rows of the slice at index ``place``."""


@dataclass(frozen=True, slots=True)
class ScoringConfig:
    """The ``methods`` to score, priors included, and their ``options``.

    Expensive scores (lime, shap, occlusion; FAITHFUL of all maps, unless ``faithfulness`` is off) are computed on
    ``slices`` slices only, drawn with ``seed`` and balanced over classes and patients; 0 for all.
    """

    methods: tuple[str, ...] = field(default_factory=lambda: (*METHODS, *PRIORS))
    options: Options = field(default_factory=Options)
    slices: int = 0
    seed: int = 0
    faithfulness: bool = True

    def __post_init__(self) -> None:
        """Refuse names that are neither a method nor a prior."""
        for name in self.methods:
            if name not in PRIORS:
                method(name)


@dataclass(frozen=True, slots=True)
class Row:
    """The scores of one map of one slice, and the slice's group, label, prediction and lesion size.

    ``scores`` are MEASURES; ``faithful`` are FAITHFUL, empty if they were not computed.
    """

    name: str
    group: str
    label: str
    predicted: str
    size: str
    method: str
    scores: tuple[float, ...]
    faithful: tuple[float, ...] = ()

    @property
    def right(self) -> bool:
        """Whether the slice was classified correctly."""
        return self.label == self.predicted


def score_explanations(
    predictor: Predictor,
    records: Sequence[Record],
    wish: ScoringConfig | None = None,
    *,
    kept: RowStore | None = None,
    progress: Progress | None = None,
) -> list[Row]:
    """Explain the predicted class of every slice with an outline by each method, and score the heat.

    Rows in ``kept`` are reused; new rows are stored there after each slice. Raises DataError if no record has an
    outline, and the errors of ``explain``.
    """
    wish = wish or ScoringConfig()
    outlined = [record for record in records if record.outlined]
    if not outlined:
        raise DataError(
            code="no_outlines",
            rule="scoring explanations needs outlines",
            got="the data has none",
            remedy="give a manifest with an outline column",
        )
    groups = grouping_keys(outlined)
    few = set(_evenly(outlined, groups, wish.slices, wish.seed)) if wish.slices else set(range(len(outlined)))
    rows = []
    for place, record in enumerate(outlined):
        found = kept.rows(place) if kept is not None else None
        if found is None:
            found = _of_slice(predictor, record, groups[place], wish, often=place in few)
            if kept is not None:
                kept.keep(place, found)
        rows += found
        if progress is not None:
            progress(place + 1, len(outlined), "explaining")
    return rows


def _of_slice(predictor: Predictor, record: Record, group: str, wish: ScoringConfig, *, often: bool) -> list[Row]:
    """Return the rows of one slice; without ``often``, no expensive methods and no curves."""
    image, mask = slice_and_mask(record)
    explained = subject(predictor, image)
    size = _size(mask, explained)
    rows = []
    for name in wish.methods:
        if name not in PRIORS and method(name).often and not often:
            continue
        heat = _heat(name, explained, wish)
        curves = wish.faithfulness and often
        faithful = deletion_and_insertion(explained, heat, fill=wish.options.fill).areas if curves else ()
        scored = scores(heat, mask, marked_above(name))
        rows.append(Row(record.name, group, record.label, explained.label, size, name, scored, faithful))
    return rows


def marked_above(name: str) -> float:
    """Return the fraction of a map's maximum above which a pixel counts as marked for ``iou``.

    docs/measured/explanations.md shows how it was chosen for each method.
    """
    return _MARKED_PRIORS[name] if name in PRIORS else method(name).marked


def scores(heat: Heat, mask: NDArray[np.bool_], marked: float) -> tuple[float, ...]:
    """Return each of ``MEASURES`` of one map (H, W) against one outline (H, W); ``marked`` is for ``iou``."""
    one, outline = heat[None], mask[None]
    found = (
        pointing(one, outline),
        energy_inside(one, outline),
        overlap(one, outline, marked),
        average_precision(one, outline),
        dice(one, outline),
    )
    return tuple(float(each[0]) for each in found)


def figures(rows: Sequence[Row]) -> dict[str, Interval]:
    """Return the means of MEASURES and, where computed, FAITHFUL over rows of one method, with intervals by patient."""
    known = [row for row in rows if row.faithful]
    means = dict(zip(MEASURES, _means([row.scores for row in rows], rows), strict=True))
    return means | (dict(zip(FAITHFUL, _means([row.faithful for row in known], known), strict=True)) if known else {})


def _means(scores: Sequence[tuple[float, ...]], rows: Sequence[Row]) -> tuple[Interval, ...]:
    values = np.array(scores)

    def means(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(weights @ values / weights.sum(axis=1, keepdims=True), np.float64)

    return group_intervals(means, [row.group for row in rows])


def _heat(name: str, explained: ExplainedSlice, wish: ScoringConfig) -> Heat:
    if name in PRIORS:
        return PRIORS[name](explained.image, explained.frame, wish.options.seed)
    return explain_prepared(explained, name, wish.options).heat


def _size(mask: NDArray[np.bool_], explained: ExplainedSlice) -> str:
    share = mask.sum() / (explained.frame.box.height * explained.frame.box.width)
    return SIZES[int(np.searchsorted(_SIZE_LIMITS, share))]


def _evenly(records: Sequence[Record], groups: Sequence[str], count: int, seed: int) -> list[int]:
    """Return the indices of ``count`` records, alternating between classes and, within a class, between patients."""
    random = np.random.default_rng(seed)
    waiting: dict[str, list[int]] = {}
    for label in sorted({record.label for record in records}):
        places = [place for place, record in enumerate(records) if record.label == label]
        seen: dict[str, int] = {}
        turns: list[tuple[int, int, int]] = []
        for place in random.permutation(places).tolist():
            seen[groups[place]] = seen.get(groups[place], 0) + 1
            turns.append((seen[groups[place]], len(turns), place))
        waiting[label] = [place for _, _, place in sorted(turns)]
    chosen: list[int] = []
    while len(chosen) < min(count, len(records)):
        for places in waiting.values():
            if places and len(chosen) < count:
                chosen.append(places.pop(0))
    return chosen
