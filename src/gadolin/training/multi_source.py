"""Training on several sources: which slices teach the kind of tumour, and how often each slice is drawn.

If a source contains only one kind of tumour, a network can recognise that kind by the appearance of the source. So the
kind is learned only from sources with two or more kinds on one sequence; all sources teach whether and where there is a
tumour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.labels import is_any_tumour, is_without_lesion
from gadolin.errors import DataError
from gadolin.records import SEQUENCES, Record

__all__ = ["class_names", "draw_chances", "kindless", "kinds_known", "sequence_names"]


def class_names(records: Sequence[Record], kinds: str) -> tuple[str, ...]:
    """Return the classes in order; with ``kinds`` of "mixed", tumours of unknown kind are not a class.

    Raises DataError if "mixed" finds fewer than two kinds.
    """
    labels = sorted({record.label for record in records})
    if kinds == "all":
        return tuple(labels)
    named = [label for label in labels if not is_any_tumour(label)]
    if sum(not is_without_lesion(label) for label in named) < 2:
        raise DataError(
            code="kinds_missing",
            rule="sources.kinds=mixed needs two kinds of tumour or more",
            got=f"the classes are {', '.join(labels)}",
            remedy="set it to all, or add slices whose kind is known",
        )
    return tuple(named)


def sequence_names(records: Sequence[Record], weight: float) -> tuple[str, ...]:
    """Return the MRI sequences to learn, in their usual order: those of the training part, if two or more.

    Empty if the ``weight`` of their loss is 0.
    """
    found = {record.sequence for record in records if record.split == "train"}
    names = tuple(name for name in SEQUENCES if name in found)
    return names if weight and len(names) > 1 else ()


def kindless(records: Sequence[Record], kinds: str) -> frozenset[int]:
    """Return the rows that may not be held out: with ``kinds`` of "mixed", tumours of unknown kind."""
    return frozenset(row for row, one in enumerate(records) if kinds == "mixed" and is_any_tumour(one.label))


def kinds_known(records: Sequence[Record], kinds: str) -> NDArray[np.bool_] | None:
    """Return (N,) bool: which records teach their label, all but tumours that do not teach their kind. None if all do.

    With ``kinds`` of "mixed", slices without a tumour teach their label, and so do those of a source and sequence with
    two or more kinds. Raises DataError if there is no such source, or if a held-out tumour is of unknown kind.
    """
    if kinds == "all":
        return None
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for record in records:
        if not (is_without_lesion(record.label) or is_any_tumour(record.label)):
            found[record.source, record.sequence].add(record.label)
        elif is_any_tumour(record.label) and record.split in ("validation", "test"):
            raise DataError(
                code="kind_unknown_where_held_out",
                rule="held-out slices must have a known kind of tumour",
                got=f"{record.name} is {record.label!r} in the {record.split} split",
                remedy="put it into the train part",
            )
    teachers = {key for key, labels in found.items() if len(labels) > 1}
    if not teachers:
        raise DataError(
            code="kinds_missing",
            rule="sources.kinds=mixed needs a source with two kinds of tumour on one sequence",
            got=f"none of {len(found)} has them",
            remedy="set it to all, or correct the manifest's columns source and sequence",
        )
    return np.array(
        [
            is_without_lesion(one.label) or (not is_any_tumour(one.label) and (one.source, one.sequence) in teachers)
            for one in records
        ]
    )


def draw_chances(records: Sequence[Record], known: NDArray[np.bool_] | None, kind_share: float) -> NDArray[np.float64]:
    """Return the sampling probability of each record, (N,) float64 that sum to 1.

    Each source, class and sequence is drawn in proportion to the square root of its number of slices, so that large
    groups count more but do not dominate. If ``known`` (N,) bool marks the records that teach their label, a fraction
    ``kind_share`` of the draws are tumours that do.
    """
    cells: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        cells[record.source, record.label, record.sequence].append(row)
    chances = np.zeros(len(records))
    teaches = np.zeros(len(records), np.bool_)
    for (_, label, _), rows in cells.items():
        chances[rows] = 1 / np.sqrt(len(rows))
        teaches[rows] = known is not None and not is_without_lesion(label) and bool(known[rows[0]])
    if teaches.any() and not teaches.all():
        chances[teaches] *= kind_share / chances[teaches].sum()
        chances[~teaches] *= (1 - kind_share) / chances[~teaches].sum()
    return np.asarray(chances / chances.sum())
