"""How findings put numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from gadolin.checks.subject import Subject
from gadolin.records import Finding

__all__ = ["by_class", "counted", "flagged", "percent"]


def counted(number: int, one: str, many: str = "") -> str:
    """Return a number and its noun, such as "1 slice" or "1,200 slices"."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(part: int, whole: int) -> str:
    """Return a share in percent, such as "75 %"; never 0 or 100 where it is not, "0 %" of nothing."""
    share = 100 * part / whole if whole else 0.0
    if 0 < share < 1 or 99 < share < 100:
        return f"{min(max(share, 0.1), 99.9):.1f} %"
    return f"{share:.0f} %"


def by_class(labels: Iterable[str], all_labels: Sequence[str]) -> str:
    """Return the count of each class that occurs, such as "glioma 81 of 300, notumor 2 of 405"."""
    some, whole = Counter(labels), Counter(all_labels)
    return ", ".join(f"{name} {some[name]:,} of {whole[name]:,}" for name in sorted(whole) if some[name])


def flagged(subject: Subject, rows: Sequence[int], template: Finding) -> list[Finding]:
    """Return ``template`` for the slices of ``rows``, each a member of its own; nothing where there are none.

    Its message, which goes on from "3 of 100 slices (3 %) ", is completed; the score is the number of slices.
    """
    if not rows:
        return []
    number = f"{len(rows):,} of {counted(subject.own, 'slice')} ({percent(len(rows), subject.own)})"
    members = tuple(subject.named([row]) for row in rows)
    return [replace(template, message=f"{number} {template.message}", members=members, score=float(len(rows)))]
