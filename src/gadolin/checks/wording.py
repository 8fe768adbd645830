"""Wording of findings: numbers, shares and the transformation between two copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from gadolin.checks.dataset import Dataset
from gadolin.datasets.labels import class_name
from gadolin.duplicates.registration import Overlay
from gadolin.records import Finding

__all__ = ["WAYS", "by_class", "counted", "flagged", "percent", "ways"]


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number and its noun, such as "1 slice" or "1,200 slices"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """Return a share in percent, such as "75 %"; 0 and 100 only where exact, "0 %" of nothing."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 1 or 99 < share < 100:
        return f"{min(max(share, 0.1), 99.9):.1f} %"
    return f"{share:.0f} %"


def by_class(labels: Iterable[str], all_labels: Sequence[str]) -> str:
    """Return the count of each class that occurs, such as "glioma 81 of 300, no tumour 2 of 405"."""
    some, whole = Counter(labels), Counter(all_labels)
    return ", ".join(f"{class_name(name)} {some[name]:,} of {whole[name]:,}" for name in sorted(whole) if some[name])


def flagged(dataset: Dataset, rows: Sequence[int], template: Finding) -> list[Finding]:
    """Return ``template`` for the slices of ``rows``, each a group by itself; empty where there are none.

    Its message is prefixed with the number, such as "3 of 100 slices (3 %) "; the score is the number of slices.
    """
    if not rows:
        return []
    number = f"{len(rows):,} of {counted(dataset.n_records, 'slice')} ({percent(len(rows), dataset.n_records)})"
    members = tuple(dataset.names_of([row]) for row in rows)
    return [replace(template, message=f"{number} {template.message}", members=members, score=float(len(rows)))]


WAYS: Final = ("mirrored", "upside down", "rotated", "rescaled")
"""Left-right; top-bottom, which is mirrored and rotated by 180 degrees; by more than 5 degrees; by more than 5 %."""

_ROTATED = 5.0  # degrees
_SCALED = 0.05


def ways(overlay: Overlay) -> tuple[str, ...]:
    """Return the transformations, of ``WAYS``, between two pictures; none where they are aligned."""
    upside_down = overlay.mirrored and abs(abs(overlay.degrees) - 180) < _ROTATED
    differs = (
        overlay.mirrored and not upside_down,
        upside_down,
        abs(overlay.degrees) > _ROTATED and not upside_down,
        abs(overlay.scale - 1) > _SCALED,
    )
    return tuple(way for way, so in zip(WAYS, differs, strict=True) if so)
