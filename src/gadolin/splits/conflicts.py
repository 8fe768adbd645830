"""Label conflicts: copies of one slice with different labels."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from gadolin.duplicates import Copies
from gadolin.records import Record

__all__ = ["conflicts_against", "conflicts_within"]


def conflicts_within(records: Sequence[Record], own: int, copies: Copies) -> dict[int, list[int]]:
    """Return the rows of a data set whose copies in it have another label, with one copy for each such label.

    The first ``own`` of the ``records`` belong to the data set; ``copies`` numbers all. Only the verified copies of
    ``Copies.of`` count, not the ends of a chain.
    """
    conflicts = {}
    for row, labels in _labels_of_copies(records, copies, range(own), range(own)).items():
        others = [copy for label, copy in labels.items() if label != records[row].label]
        if others:
            conflicts[row] = others
    return conflicts


def conflicts_against(records: Sequence[Record], own: int, copies: Copies) -> dict[int, list[int]]:
    """Return the rows whose label all copies in the other data set contradict, with one copy for each of its labels.

    The records after the first ``own`` belong to the other data set. Two labels are compared if one of the data sets
    has both: "tumor" does not contradict "glioma", "notumor" does. If one of the copies agrees, the row is not
    contradicted: the other data set then contradicts itself.
    """
    here, there = ({record.label for record in some} for some in (records[:own], records[own:]))
    conflicts = {}
    for row, labels in _labels_of_copies(records, copies, range(own), range(own, len(records))).items():
        mine = records[row].label
        if all(label != mine and (mine in there or label in here) for label in labels):
            conflicts[row] = list(labels.values())
    return conflicts


def _labels_of_copies(
    records: Sequence[Record], copies: Copies, here: Iterable[int], there: Collection[int]
) -> dict[int, dict[str, int]]:
    """Return for each row of ``here`` the labels of its copies ``there``, each with the first copy of that label."""
    labels: dict[int, dict[str, int]] = {}
    for row, others in copies.among(here, there).items():
        labels[row] = {records[other].label: other for other in reversed(others)}
    return labels
