"""A manifest that mixes data sets."""

from __future__ import annotations

from collections import Counter

from gadolin.checks.shared import torn_apart
from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.datasets import SOURCES
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return a warning where slices of several sources stand in one data set, with those that two of them share."""
    if not any(record.source for record in subject.mine):
        return Skipped("the data lists no source")
    sources = Counter(record.source or "unnamed" for record in subject.mine)
    if len(sources) < 2:
        return []
    known = sorted({source.release.name for _, source in SOURCES.items()} & set(sources))
    shared = torn_apart(subject, {row: record.source for row, record in enumerate(subject.mine)})
    told = ", ".join(f"{name} {count:,}" for name, count in sources.most_common())
    overlap = f"; {counted(len(shared), 'slice')} of one stand in another too" if shared else ""
    return [
        Finding(
            kind="mixed",
            severity="warning" if shared or len(known) > 1 else "note",
            message=f"The data set mixes {counted(len(sources), 'source')}: {told}{overlap}.",
            rule="The source column names several; public collections are made of one another, so slices of two of "
            "them may be the same. The score is the number of groups of copies across sources.",
            remedy="Split by copies and patients over all of them at once, and read the figures of each source apart.",
            members=tuple(subject.named(rows) for rows in shared),
            score=float(len(shared)),
        )
    ]
