"""Outlines that cannot be those of a lesion, or cannot be used."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import flagged
from gadolin.preprocessing.outlines import Outlines
from gadolin.preprocessing.views import head_mask, shrunk
from gadolin.records import Finding

__all__ = ["check"]

_MOST = 0.5  # of the head, and of what lies around it
_INSIDE = 127  # of 255: a place more than half of which is outlined


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return warnings with the outlines that are unusable, mark nothing or most of the head, and a note of cut ones."""
    outlines = subject.outlines
    if outlines is None:
        return Skipped("the data lists no outlines")
    around, over = _too_large(subject, outlines)
    return [
        *_unusable(subject, outlines),
        *flagged(
            subject,
            around,
            _finding(
                "have an outline that marks what lies around the head: it is inverted, or its background is not 0.",
                f"More than {100 * _MOST:.0f} % of the prepared slice outside of the head, and of the head, is marked",
                "Look at them; turn the masks over, or set their background to 0.",
            ),
        ),
        *flagged(
            subject,
            over,
            _finding(
                f"have an outline that covers over {100 * _MOST:.0f} % of the head, as no lesion does.",
                f"More than {100 * _MOST:.0f} % of the head in the prepared slice is marked",
                "Look at them: a mask of the brain or of its tissues is no outline; take the lesion's label alone.",
            ),
        ),
        *flagged(
            subject,
            list(_empty(subject, outlines.empty)),
            _finding(
                "have an outline that marks nothing.",
                "No pixel of the mask is marked, nor any other in its file",
                'Look at them; where there is no lesion, write "none" in the column outline, else draw them again.',
            ),
        ),
        *flagged(
            subject,
            list(outlines.cut),
            _finding(
                "have an outline of many grey levels, which was cut at half of its maximum.",
                "The file of the mask is a JPEG, or holds more than a few whole numbers, as smoothed masks do",
                "See whether the masks fit; save them as PNG, 0 where there is no lesion.",
                severity="note",
            ),
        ),
    ]


def _finding(message: str, rule: str, remedy: str, *, severity: str = "warning") -> Finding:
    return Finding(
        kind="bad_outlines",
        severity=severity,
        message=message,
        rule=f"{rule}; the score is the number of slices.",
        remedy=remedy,
    )


def _too_large(subject: Subject, outlines: Outlines) -> tuple[list[int], list[int]]:
    """Return the rows whose outline marks the background as well, and those of others that it mostly covers."""
    rows = [row for row in np.flatnonzero(outlines.known).tolist() if outlines.coverage[row].any()]
    around: list[int] = []
    over: list[int] = []
    for row, small in zip(rows, shrunk(subject.slices, rows), strict=True):
        head, marked = head_mask(small), outlines.coverage[row] > _INSIDE
        if not head.any() or marked[head].mean() <= _MOST:
            continue
        outside = marked[~head]
        (around if outside.size and outside.mean() > _MOST else over).append(row)
    return around, over


def _empty(subject: Subject, empty: tuple[int, ...]) -> Iterable[int]:
    """Yield the rows whose outline is empty, but not where other slices of a volume are marked in the same file."""
    without = set(empty)
    marked = {record.outline for row, record in enumerate(subject.mine) if row not in without}
    return (row for row in empty if subject.mine[row].outline not in marked)


def _unusable(subject: Subject, outlines: Outlines) -> list[Finding]:
    if not outlines.failed:
        return []
    first = next(iter(outlines.failed.values()))
    template = _finding(
        f"have an outline that cannot be used; {first.path}: {first.statement}.",
        "Every outline is read once and must have the size of its slice",
        "Draw them again on the grid of the slice, or remove them from the manifest; training on outlines ends there.",
    )
    return flagged(subject, list(outlines.failed), template)
