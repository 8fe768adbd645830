"""Sets joined pair by pair."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["Components"]


class Components:
    """Numbers 0 to ``count`` - 1, each in a set of its own until ``join`` puts two sets together."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, number: int) -> int:
        """Return the smallest number of the set that ``number`` is in."""
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Put the sets of two numbers together."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def roots(self) -> list[int]:
        """Return the root of every number."""
        return [self.root(number) for number in range(len(self._parent))]

    def sets(self, numbers: Iterable[int] | None = None) -> list[list[int]]:
        """Return the sets as sorted lists, by their smallest number; of ``numbers`` only, where they are given."""
        members: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self._parent)) if numbers is None else sorted(numbers):
            members[self.root(number)].append(number)
        return list(members.values())
