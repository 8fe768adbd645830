"""Complete linkage against chains: if A matches B and B matches C, A need not be a copy of C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, product

from gadolin.duplicates.components import Components

__all__ = ["complete_linkage"]

_CHECKED = 256  # pairs between two groups that must pass before the groups are merged


def complete_linkage(
    count: int, pairs: Sequence[tuple[float, int, int]], pass_all: Callable[[Sequence[tuple[int, int]]], bool]
) -> Components:
    """Return sets of ``count`` slices in which any two slices are copies by themselves.

    ``pairs`` holds (correlation, first, second). From the best pair to the worst, the two sets of a pair are merged if
    ``pass_all`` holds for all pairs between them (for the first 256 of very large sets). This cuts a chain at its
    weakest links.
    """
    sets = Components(count)
    members = {number: [number] for number in range(count)}
    for _, first, second in sorted(pairs, key=lambda pair: (-pair[0], pair[1], pair[2])):
        one, other = sets.root(first), sets.root(second)
        if one == other:
            continue
        between = [(min(pair), max(pair)) for pair in islice(product(members[one], members[other]), _CHECKED)]
        if pass_all(between):
            sets.join(one, other)
            low, high = sorted((one, other))
            members[low] += members.pop(high)
    return sets
