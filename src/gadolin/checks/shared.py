"""Which slices show what stands elsewhere in the data set too."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterable, Mapping

from gadolin.checks.subject import Subject
from gadolin.copies.components import Components

__all__ = ["copies_among", "copies_in_training", "learned_before", "torn_apart"]


def learned_before(part: str) -> tuple[str, ...]:
    """Return the parts that are looked at before ``part`` is: a copy in one of them gives the answer away."""
    return {"test": ("train", "validation"), "validation": ("train",)}.get(part, ())


def copies_in_training(subject: Subject, part: str) -> dict[int, list[int]]:
    """Return for each row of ``part`` that is a copy of some that are learned from, those."""
    earlier = learned_before(part)
    here = [row for row, record in enumerate(subject.mine) if record.split == part]
    there = [row for row, record in enumerate(subject.mine) if record.split in earlier]
    return copies_among(subject, here, there)


def copies_among(subject: Subject, here: Iterable[int], there: Collection[int]) -> dict[int, list[int]]:
    """Return for each row of ``here`` the rows of ``there`` that were proved to be copies of it, if there are any.

    Two slices are that where they are of one group of ``copies``, or a pair by themselves; a chain of copies proves
    nothing of its ends.
    """
    first: dict[int, int] = {}  # of the slices that are the same after preparation
    like: dict[int, set[int]] = defaultdict(set)
    for pair in subject.copies.pairs:
        if pair.overlay.correlation == 1 and not pair.overlay.mirrored and not pair.overlay.degrees:
            first[pair.second] = pair.first
        else:
            like[pair.first].add(pair.second)
            like[pair.second].add(pair.first)
    groups = subject.copies.groups.tolist()
    by_group: dict[int, list[int]] = defaultdict(list)
    by_first: dict[int, list[int]] = defaultdict(list)
    for row in there:
        by_group[groups[row]].append(row)
        by_first[first.get(row, row)].append(row)
    found = {}
    for row in here:
        paired = {other for near in like[first.get(row, row)] for other in by_first.get(near, ())}
        copies = sorted(paired.union(by_group.get(groups[row], ())) - {row})
        if copies:
            found[row] = copies
    return found


def torn_apart(subject: Subject, sides: Mapping[int, Hashable]) -> list[list[int]]:
    """Return the rows that were proved to be copies of one on another side, as sets of what shows one slice.

    ``sides`` says of each row that counts where it stands: in which fold, or under which patient.
    """
    near = copies_among(subject, sides, set(sides))
    joined = Components(len(subject.records))
    torn: set[int] = set()
    for row, copies in near.items():
        for other in copies:
            if sides[row] != sides[other]:
                joined.join(row, other)
                torn.update((row, other))
    return joined.sets(torn)
