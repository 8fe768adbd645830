"""Labels that contradict each other: copies of one slice under two of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gadolin.duplicates import Copies
from gadolin.records import Record

__all__ = ["conflicts_against", "conflicts_within"]


def conflicts_within(records: Sequence[Record], own: int, copies: Copies) -> dict[int, list[int]]:
    """Return the rows of a data set whose copies in it bear another label, and one copy for each such label.

    The first ``own`` of the ``records`` are of the data set, ``copies`` numbers all. Rows are copies of each other
    that ``Copies.of`` says so of; the ends of a chain prove nothing of each other.
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
    records: Sequence[Record], copies: Copies, here: Iterable[int], there: Collection[int]
) -> dict[int, dict[str, int]]:
    """Return for each row of ``here`` the labels of its copies ``there``, each with the first copy of that label."""
    labels: dict[int, dict[str, int]] = {}
    for row, others in copies.among(here, there).items():
        labels[row] = {records[other].label: other for other in reversed(others)}
    return labels
