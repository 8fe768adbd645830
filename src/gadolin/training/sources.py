"""What the slices of several sources teach: a kind of tumour, or tumour or none alone; and how often each is drawn.

A source that holds one kind of tumour teaches that kind by its own look. So the kind is learned only from sources that
hold two kinds or more of one sequence, and from the others where tumours are, and whether there is one.
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
    """Return the classes in order; with ``kinds`` of "mixed" a tumour of any kind is no class of its own.

    Raises DataError where "mixed" finds fewer than two kinds.
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
    """Return the MRI sequences that are learned, in their usual order: those of the train part, if two or more.

    None where the ``weight`` of their loss is 0.
    """
    found = {record.sequence for record in records if record.split == "train"}
    names = tuple(name for name in SEQUENCES if name in found)
    return names if weight and len(names) > 1 else ()


def kindless(records: Sequence[Record], kinds: str) -> frozenset[int]:
    """Return the rows that can be learned from alone: with ``kinds`` of "mixed", those that name no kind of tumour."""
    return frozenset(row for row, one in enumerate(records) if kinds == "mixed" and is_any_tumour(one.label))


def kinds_known(records: Sequence[Record], kinds: str) -> NDArray[np.bool_] | None:
    """Return (N,) bool: which records teach their label; false for a tumour that teaches no kind. None if all do.

    With ``kinds`` of "mixed" that are the slices without a tumour, and those of every source and sequence with two
    kinds or more. Raises DataError where no source has them, and where a slice that is held out names no kind.
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
                rule="slices that are held out must name the kind of their tumour",
                got=f"{record.name} is {record.label!r} in the {record.split} part",
                remedy="put it into the train part",
            )
    teachers = {key for key, labels in found.items() if len(labels) > 1}
    if not teachers:
        raise DataError(
            code="kinds_missing",
            rule="sources.kinds=mixed needs a source with two kinds of tumour of one sequence",
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
    """Return (N,) float64 that sum to 1: the probability by which each record is drawn.

    Each source, class and sequence is drawn in proportion to the square root of its slices, so that large ones count
    more, but do not drown the others. Where ``known`` (N,) bool tells which records teach their label, ``kind_share``
    of the draws are tumours that do.
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
