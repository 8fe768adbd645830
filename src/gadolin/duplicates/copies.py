"""What was found among slices: which of them are copies of which."""

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
    """Two slices that show one: their numbers, the smaller first, and how the first lies over the second."""

    first: int
    second: int
    overlay: Overlay


@dataclass(frozen=True, eq=False)
class Copies:
    """The copies among N slices.

    ``pairs``: every pair that was found and passed by itself; of slices that are the same after preparation only the
    first is compared with others, and the rest are pairs with it whose overlay is ``identical``. ``joined`` (N,) int64:
    slices connected by pairs, also through others, share a number: what a split keeps together. ``groups`` (N,) int64:
    the same, cut until any two slices of a group pass as copies of each other, so that a chain of slices is not taken
    for one slice.
    """

    pairs: tuple[Copy, ...]
    joined: NDArray[np.int64]
    groups: NDArray[np.int64]

    def of(self, row: int) -> list[int]:
        """Return the other slices that were proved to be copies of slice ``row``, in order.

        Two slices are that where they are of one group, or a pair by themselves, or the same after preparation as the
        slices of such a pair. A chain of copies proves nothing of its ends.
        """
        return sorted(self._near(row) - {row})

    def among(self, rows: Iterable[int], others: Collection[int]) -> dict[int, list[int]]:
        """Return for each of ``rows`` that has copies among ``others`` these, in order."""
        wanted = others if isinstance(others, (set, frozenset, range)) else set(others)
        found = {row: [other for other in self.of(row) if other in wanted] for row in rows}
        return {row: copies for row, copies in found.items() if copies}

    def _near(self, row: int) -> set[int]:
        one = self._identical.root(row)
        paired = (self._members[other] for other in (one, *self._paired.get(one, ())))
        return set(self._in_group[int(self.groups[row])]).union(*paired)

    @cached_property
    def _identical(self) -> Components:
        """Sets of slices that are the same after preparation."""
        sets = Components(len(self.groups))
        for pair in self.pairs:
            if pair.overlay.identical:
                sets.join(pair.first, pair.second)
        return sets

    @cached_property
    def _members(self) -> dict[int, list[int]]:
        """The slices of each set of identical ones, by the first of them."""
        return {rows[0]: rows for rows in self._identical.sets()}

    @cached_property
    def _paired(self) -> dict[int, set[int]]:
        """The sets of identical slices that are pairs with each such set, by the first slice of either."""
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
