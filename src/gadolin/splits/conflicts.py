"""Labels that contradict each other: copies of one slice under two of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from gadolin.copies import Copies
from gadolin.records import Record

__all__ = ["conflicts_against", "conflicts_within"]


def conflicts_within(records: Sequence[Record], own: int, copies: Copies) -> dict[int, list[int]]:
    """Return the rows of a data set whose copies in it bear another label, and one copy for each such label.

    The first ``own`` of the ``records`` are of the data set, ``copies`` numbers all. Rows are copies of each other
    that are of one group or were proved to be a pair; the ends of a chain prove nothing of each other.
    """
    told = {}
    for row, labels in _labels_of_copies(records, copies, range(own), range(own)).items():
        others = [copy for label, copy in labels.items() if label != records[row].label]
        if others:
            told[row] = others
    return told


def conflicts_against(records: Sequence[Record], own: int, copies: Copies) -> dict[int, list[int]]:
    """Return the rows of a data set that its copies in the other one contradict, and one copy for each of its labels.

    The records after the first ``own`` are of the other data set. Two labels are compared where one of the data sets
    knows both: "tumor" does not contradict "glioma", "notumor" does. A row that one copy there does not contradict is
    not contradicted: the other data set then disagrees with itself.
    """
    here, there = ({record.label for record in some} for some in (records[:own], records[own:]))
    told = {}
    for row, labels in _labels_of_copies(records, copies, range(own), range(own, len(records))).items():
        mine = records[row].label
        if all(label != mine and (mine in there or label in here) for label in labels):
            told[row] = list(labels.values())
    return told


def _labels_of_copies(
    records: Sequence[Record], copies: Copies, here: Iterable[int], there: Iterable[int]
) -> dict[int, dict[str, int]]:
    """Return for each row of ``here`` the labels of its copies ``there``, each with the first that bears it."""
    twin: dict[int, int] = {}  # of the slices that are the same after preparation only the first stands in a pair
    like: dict[int, set[int]] = defaultdict(set)
    for pair in copies.pairs:
        if pair.overlay.correlation == 1 and not pair.overlay.mirrored and not pair.overlay.degrees:
            twin[pair.second] = pair.first
        else:
            like[pair.first].add(pair.second)
            like[pair.second].add(pair.first)
    groups = copies.groups.tolist()
    by_group: dict[int, dict[str, int]] = defaultdict(dict)
    by_slice: dict[int, dict[str, int]] = defaultdict(dict)
    for row in there:
        by_group[groups[row]].setdefault(records[row].label, row)
        by_slice[twin.get(row, row)].setdefault(records[row].label, row)
    told = {}
    for row in here:
        near: list[Mapping[str, int]] = [by_group.get(groups[row], {})]
        near += [by_slice.get(other, {}) for other in sorted(like.get(twin.get(row, row), ()))]
        labels: dict[str, int] = {}
        for found in near:
            labels = {**found, **labels}
        if labels:
            told[row] = labels
    return told
