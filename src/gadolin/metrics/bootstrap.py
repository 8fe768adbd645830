"""Uncertainty of metrics: bootstrap intervals over groups.

Slices of one patient, and copies of one slice, are not independent: an interval that resamples slices is too
narrow. Here whole groups are drawn with replacement (Davison and Hinkley, "Bootstrap Methods and their
Application", 1997, section 3.8; Field and Welsh, "Bootstrapping clustered data", 2007), and each draw
becomes one weight per row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gadolin.errors import RequestError

__all__ = [
    "LEVEL",
    "MINIMUM_GROUPS",
    "RESAMPLES",
    "Interval",
    "Statistic",
    "exact_if_unanimous",
    "group_intervals",
    "group_weights",
    "paired_intervals",
    "unanimous_interval",
]

LEVEL = 0.95
RESAMPLES = 2000
MINIMUM_GROUPS = 10
"""With fewer groups a bootstrap interval is far too narrow (Cameron, Gelbach and Miller, 2008), so none is given."""

_TAIL = (1 - LEVEL) / 2
_ROUNDING = 1e-12
_CHUNK_CELLS = 1 << 20
_MOST_SKIPPED = 0.5

Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Row weights (B, N) float64, at least 0, to M metrics per resample (B, M); NaN where one is not defined."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A metric and its 95 % interval.

    ``value`` is None where the metric is not defined (no row of that class). ``low`` and ``high`` are None
    where no valid interval exists: fewer than ten groups, the same value in every resample, or a metric that
    most resamples do not define. ``resamples`` counts the resamples that define the metric.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    resamples: int = 0

    @property
    def interval(self) -> tuple[float, float] | None:
        """``low`` and ``high``, or None."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    def as_json(self) -> dict[str, float | int | None]:
        """Return value, low, high and resamples as a JSON object."""
        return {"value": self.value, "low": self.low, "high": self.high, "resamples": self.resamples}


def group_weights(groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[NDArray[np.float64]]:
    """Draw groups with replacement, as many as there are, and yield the resulting row weights.

    Args:
        groups: The group of each of N rows. The order of the rows does not change the draws.
        resamples: Number of draws.
        seed: Random seed; the same seed gives the same draws.

    Yields:
        (B, N) float64 whole numbers, one row per draw, in chunks of bounded size; ``resamples`` rows in all.

    Raises:
        RequestError: No row, or a negative number of resamples.
    """
    if resamples < 0 or not groups:
        raise RequestError(
            code="resamples_out_of_range",
            rule="resampling needs at least one row and at least 0 draws",
            got=f"got {len(groups)} rows and {resamples} draws",
            remedy="check both",
        )
    names, member = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    count = len(names)
    chunk = max(1, _CHUNK_CELLS // len(member))
    random = np.random.default_rng(seed)
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        drawn = random.integers(0, count, size=(rows, count))
        drawn += np.arange(rows)[:, None] * count
        times = np.bincount(drawn.ravel(), minlength=rows * count).reshape(rows, count)
        yield times.astype(np.float64)[:, member]


def group_intervals(
    statistic: Statistic, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Interval, ...]:
    """Return each of the M metrics of ``statistic`` with its 95 % percentile interval over resampled groups.

    A resample in which a metric is not defined (no row of a class was drawn) is left out for that metric;
    the interval is then conditional on every class being drawn. If more than half are left out, there is no
    interval. If the percentiles exclude the value itself (few rows, a biased statistic), the interval is
    widened to include it.

    Args:
        statistic: Weights (B, N) to metrics (B, M); called with a single row of ones for the values.
        groups: The group of each of N rows.
        resamples: Number of draws; 0 gives values without intervals.
        seed: Random seed.

    Raises:
        RequestError: No row, or a negative number of resamples.
    """
    chunks = group_weights(groups, resamples=resamples, seed=seed)
    if len(set(groups)) < MINIMUM_GROUPS:
        chunks = group_weights(groups, resamples=0, seed=seed)
    draws = [statistic(weights) for weights in chunks]
    values = statistic(np.ones((1, len(groups))))[0]
    stacked = np.concatenate(draws) if draws else np.empty((0, len(values)))
    return tuple(_interval(float(value), stacked[:, column], resamples) for column, value in enumerate(values))


def paired_intervals(
    first: Statistic, second: Statistic, groups: Sequence[str], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Interval, ...]:
    """Return ``second`` minus ``first`` for each metric, with 95 % intervals; both use the same resamples.

    Args and errors are those of :func:`group_intervals`; both statistics take weights of the same N rows.
    """

    def difference(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return second(weights) - first(weights)

    return group_intervals(difference, groups, resamples=resamples, seed=seed)


def unanimous_interval(value: float, groups: int) -> Interval:
    """Return the exact interval of a share that is 1 or 0 in every group.

    Resampling cannot give one, as all resamples are alike. The bound is that of Clopper and Pearson (1934)
    with each group as one trial: for 100 groups without a mistake, the lower end is 0.025 ** (1 / 100) =
    0.964.

    Args:
        value: 1.0 or 0.0.
        groups: Number of groups that agree; below ten there is no interval.

    Raises:
        RequestError: Another value.
    """
    if value not in (0.0, 1.0):
        raise RequestError(
            code="value_out_of_range",
            rule="only a share of 0 or 1 is unanimous",
            got=f"got {value}",
            remedy="resample groups instead",
        )
    if groups < MINIMUM_GROUPS:
        return Interval(value)
    bound = _TAIL ** (1 / groups)
    return Interval(value, bound, 1.0) if value else Interval(value, 0.0, 1.0 - bound)


def exact_if_unanimous(share: Interval, groups: Sequence[str], rows: NDArray[np.bool_]) -> Interval:
    """Return ``share``, with the exact interval if it is 0 or 1.

    Then resampling gives none, as it is the same in every resample. ``rows`` (N,) marks those that it is a share of.
    """
    if share.value not in (0.0, 1.0) or not rows.any():
        return share
    return unanimous_interval(share.value, len({groups[row] for row in np.flatnonzero(rows).tolist()}))


def _interval(value: float, draws: NDArray[np.float64], resamples: int) -> Interval:
    if not np.isfinite(value):
        return Interval(None)
    defined = draws[np.isfinite(draws)]
    if not defined.size or defined.size < (1 - _MOST_SKIPPED) * resamples:
        return Interval(value, resamples=int(defined.size))
    if np.ptp(defined) <= _ROUNDING:
        return Interval(value, resamples=int(defined.size))
    low, high = np.quantile(defined, (_TAIL, 1 - _TAIL))
    return Interval(value, min(float(low), value), max(float(high), value), int(defined.size))
