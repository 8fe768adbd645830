"""Connected components, joined pair by pair (union-find)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

__all__ = ["Components"]


class Components:
    """Numbers 0 to ``count`` - 1, each in a separate set until ``join`` merges two sets."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def root(self, number: int) -> int:
        """Return the smallest number in the set of ``number``."""
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = parent[number]
        return number

    def join(self, one: int, other: int) -> None:
        """Merge the sets of two numbers."""
        low, high = sorted((self.root(one), self.root(other)))
        self._parent[high] = low

    def roots(self) -> list[int]:
        """Return the root of every number."""
        return [self.root(number) for number in range(len(self._parent))]

    def sets(self, numbers: Iterable[int] | None = None) -> list[list[int]]:
        """Return the sets as sorted lists, ordered by their smallest number; only of ``numbers``, if given."""
        members: dict[int, list[int]] = defaultdict(list)
        for number in range(len(self._parent)) if numbers is None else sorted(numbers):
            members[self.root(number)].append(number)
        return list(members.values())
