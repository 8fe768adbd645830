"""Groups guarded against chains: A like B and B like C do not make A a copy of C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice, product

from gadolin.duplicates.components import Components

__all__ = ["complete_linkage"]

_CHECKED = 256  # pairs between two groups that are proved before the groups become one


def complete_linkage(
    count: int, pairs: Sequence[tuple[float, int, int]], pass_all: Callable[[Sequence[tuple[int, int]]], bool]
) -> Components:
    """Return the sets of ``count`` slices in which every two are copies by themselves.

    ``pairs`` holds (correlation, first, second). From the best pair to the worst, the sets of its ends are put
    together where ``pass_all`` holds for the pairs of a slice of one and a slice of the other, of very large sets for
    the first 256; a chain is so cut at its weakest links.
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
