"""An audit check: slices that are almost black."""

from __future__ import annotations

from gadolin.checks import Dataset
from gadolin.records import Finding

__all__ = ["check"]

_MEAN = 0.05  # of the range of intensities


def check(dataset: Dataset) -> list[Finding]:
    """Return a warning with the slices whose mean intensity is below 5 % of white."""
    rows = [row for row, facts in enumerate(dataset.facts[: dataset.n_records]) if facts.mean < _MEAN]
    if not rows:
        return []
    return [
        Finding(
            kind="dark_slices",
            severity="warning",
            message=f"{len(rows)} of {dataset.n_records} slices are almost black.",
            rule="The mean intensity is below 5 % of the range; the score is the number of slices.",
            remedy="Export them again with a narrower window.",
            members=tuple(dataset.names_of([row]) for row in rows),
            score=float(len(rows)),
        )
    ]
