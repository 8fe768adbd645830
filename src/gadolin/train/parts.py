"""The data of a run: records with groups and parts, and what is learned from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gadolin.cache import prepared_slices
from gadolin.errors import DataError
from gadolin.manifest import read_manifest
from gadolin.outlines import prepared_outlines
from gadolin.records import Record
from gadolin.sources import require_trainable, scan
from gadolin.splits import copy_groups, cut, join_copies
from gadolin.train.batches import Examples
from gadolin.train.learner import Progress
from gadolin.train.plan import Plan

__all__ = ["Parts", "divide"]


@dataclass(frozen=True, slots=True)
class Parts:
    """All records with their groups and parts, the classes in order, and the slices of two of the parts."""

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    train: Examples
    validation: Examples


def divide(plan: Plan, progress: Progress | None) -> Parts:
    """Scan and prepare the data; cut a test and a validation part by patient and copy group where it has none.

    A resumed run has its manifest, with the parts as they were. Raises DataError where a class is missing in a part.
    """

    def preparing(done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, "preparing slices")

    preparation = plan.recipe.preparation
    if plan.resume:
        records = read_manifest(plan.out / "manifest.csv")
        prepared = prepared_slices(records, preparation, plan.cache, progress=preparing)
    else:
        found = scan(plan.data, patient_from=plan.patient_from)
        require_trainable(found, skip_unreadable=plan.skip_unreadable)
        prepared = prepared_slices(found.records, preparation, plan.cache, progress=preparing)
        records = join_copies(found.records, copy_groups(prepared.slices))
        for part, share in (("test", plan.test), ("validation", plan.validation)):
            if all(record.split != part for record in records):
                records = cut(records, share, part=part, seed=plan.machine.seed)
    classes = tuple(sorted({record.label for record in records}))
    _check_parts(records, classes)
    outlines = prepared_outlines(records, preparation) if plan.recipe.network.evidence != "map" else None

    def examples(name: str) -> Examples:
        rows = [index for index, record in enumerate(records) if record.split == name]
        targets = [classes.index(records[index].label) for index in rows]
        return Examples(prepared.slices, np.array(rows, np.int64), np.array(targets, np.int64), outlines)

    return Parts(tuple(records), classes, examples("train"), examples("validation"))


def _check_parts(records: Sequence[Record], classes: Sequence[str]) -> None:
    counts = Counter((record.split, record.label) for record in records)
    for part in ("train", "validation"):
        for label in classes:
            if not counts[part, label]:
                msg = (
                    f"every class needs slices in the {part} part, {label!r} has none; "
                    "add some, or correct the manifest's split column"
                )
                raise DataError(msg)
