"""What every check of an audit sees."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from gadolin.audit.facts import FileFacts
from gadolin.bundle import Bundle
from gadolin.copies import Copies
from gadolin.records import Record
from gadolin.sources import Scan
from gadolin.splits import carry_patients

__all__ = ["Subject"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A data set under audit, and perhaps another that it is compared with.

    The first ``own`` of the N ``records`` are of the data set under audit, the others of the one it is compared with;
    ``facts`` (N), ``slices`` (N, 256, 256) uint8 and ``copies`` number them the same way. Only slices that could be
    read are among them: ``unreadable`` lists (file, reason) of the others. ``whole`` are the rows in which no head was
    found. ``scan`` and ``against`` are what was recognised in the two folders.

    Where they were given: ``probabilities`` (own, K) float64, out of fold, in the order of ``classes``, NaN in the rows
    of slices that have none; ``bundle``, the model that the data set is to be used with.
    """

    records: tuple[Record, ...]
    own: int
    facts: tuple[FileFacts, ...]
    slices: NDArray[np.uint8]
    copies: Copies
    scan: Scan
    against: Scan | None = None
    whole: tuple[int, ...] = ()
    unreadable: tuple[tuple[str, str], ...] = ()
    probabilities: NDArray[np.float64] | None = None
    bundle: Bundle | None = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names of the data set under audit, sorted."""
        return tuple(sorted({record.label for record in self.mine}))

    @property
    def mine(self) -> tuple[Record, ...]:
        """The records of the data set under audit."""
        return self.records[: self.own]

    @cached_property
    def carried(self) -> tuple[Record, ...]:
        """The records under audit, with the patients of the slices that they are copies of in the other data set."""
        return tuple(carry_patients(self.mine, self.records[self.own :], self.copies))

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that the data set names, such as "train" and "test"; empty where it names none."""
        return tuple(part for part in ("train", "validation", "test") if any(one.split == part for one in self.mine))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each of the N slices is called in findings: its path below its data folder, else its whole path."""
        roots = [self.scan.root] * self.own
        if self.against is not None:
            roots += [self.against.root] * (len(self.records) - self.own)
        named = []
        for record, root in zip(self.records, roots, strict=True):
            base = root if root.is_dir() else root.parent
            below = record.path.relative_to(base) if record.path.is_relative_to(base) else record.path
            named.append(replace(record, path=below).name)
        return tuple(named)

    def named(self, rows: list[int] | tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of ``rows``, in their order."""
        return tuple(self.names[row] for row in rows)

    @cached_property
    def copy_groups(self) -> tuple[tuple[int, ...], ...]:
        """The rows of each group of two or more slices that all are copies of each other, largest group first."""
        return _sets(self.copies.groups)

    @cached_property
    def connected(self) -> tuple[tuple[int, ...], ...]:
        """The rows of each set of two or more slices that are copies of each other, also through others."""
        return _sets(self.copies.joined)


def _sets(numbers: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    members: dict[int, list[int]] = {}
    for row, number in enumerate(numbers.tolist()):
        members.setdefault(number, []).append(row)
    sets = [tuple(rows) for rows in members.values() if len(rows) > 1]
    return tuple(sorted(sets, key=lambda rows: (-len(rows), rows)))
