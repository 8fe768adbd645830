"""Result of the search for copies: which slices are copies of which."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.duplicates.components import Components
from gadolin.duplicates.registration import Overlay

__all__ = ["Copies", "Copy"]


class Copy(NamedTuple):
    """Two copies: their numbers, the smaller first, and the transform of the first onto the second."""

    first: int
    second: int
    overlay: Overlay


@dataclass(frozen=True, eq=False)
class Copies:
    """The copies among N slices.

    ``pairs``: every pair that passed by itself; of slices that are identical after preparation only the first is
    compared with others, and the rest are pairs with it whose overlay is ``identical``. ``joined`` (N,) int64: slices
    connected by pairs, also through others, share a number; a split keeps them together. ``groups`` (N,) int64: the
    same, cut until any two slices of a group pass as copies of each other, so that a chain of slices does not count as
    one slice.
    """

    pairs: tuple[Copy, ...]
    joined: NDArray[np.int64]
    groups: NDArray[np.int64]

    def of(self, row: int) -> list[int]:
        """Return the other slices that are proven copies of slice ``row``, in order.

        Two slices are proven copies if they are in one group, are a pair, or are identical after preparation to the
        slices of such a pair. The ends of a chain of copies are not proven copies.
        """
        return sorted(self._near(row) - {row})

    def among(self, rows: Iterable[int], others: Collection[int]) -> dict[int, list[int]]:
        """Return the copies among ``others``, in order, of each of ``rows`` that has any."""
        targets = others if isinstance(others, (set, frozenset, range)) else set(others)
        found = {row: [other for other in self.of(row) if other in targets] for row in rows}
        return {row: copies for row, copies in found.items() if copies}

    def _near(self, row: int) -> set[int]:
        one = self._identical.root(row)
        paired = (self._members[other] for other in (one, *self._paired.get(one, ())))
        return set(self._in_group[int(self.groups[row])]).union(*paired)

    @cached_property
    def _identical(self) -> Components:
        """Sets of slices that are identical after preparation."""
        sets = Components(len(self.groups))
        for pair in self.pairs:
            if pair.overlay.identical:
                sets.join(pair.first, pair.second)
        return sets

    @cached_property
    def _members(self) -> dict[int, list[int]]:
        """The slices of each set of identical slices, by its first slice."""
        return {rows[0]: rows for rows in self._identical.sets()}

    @cached_property
    def _paired(self) -> dict[int, set[int]]:
        """The sets of identical slices paired with each such set; a set is represented by its first slice."""
        paired: dict[int, set[int]] = defaultdict(set)
        for pair in self.pairs:
            one, other = self._identical.root(pair.first), self._identical.root(pair.second)
            if one != other:
                paired[one].add(other)
                paired[other].add(one)
        return paired

    @cached_property
    def _in_group(self) -> dict[int, list[int]]:
        """The slices of each group, by its number."""
        members: dict[int, list[int]] = defaultdict(list)
        for row, number in enumerate(self.groups.tolist()):
            members[number].append(row)
        return members
