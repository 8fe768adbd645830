"""Which slices of a data set are copies of others in it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from gadolin.checks.subject import Subject
from gadolin.duplicates.components import Components

__all__ = ["torn_apart"]


def torn_apart(subject: Subject, sides: Mapping[int, Hashable]) -> list[list[int]]:
    """Return the rows that were proved to be copies of one on another side, as sets of what shows one slice.

    ``sides`` says of each row that counts where it stands: in which fold, or under which patient.
    """
    joined = Components(len(subject.records))
    torn: set[int] = set()
    for row, copies in subject.copies.among(sides, set(sides)).items():
        for other in copies:
            if sides[row] != sides[other]:
                joined.join(row, other)
                torn.update((row, other))
    return joined.sets(torn)
