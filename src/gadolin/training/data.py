"""The data of a run: records with groups and parts, and the training examples."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from gadolin.datasets import require_trainable, scan
from gadolin.datasets.labels import lesion_classes
from gadolin.datasets.manifest import read_manifest
from gadolin.duplicates import Copies, copies_of_records, find_copies
from gadolin.errors import DataError
from gadolin.files.folder_walk import count_by_code
from gadolin.models.run_folder import RunFolder
from gadolin.preprocessing.cache import Prepared, prepared_slices, readable_slices
from gadolin.preprocessing.outlines import prepared_outlines
from gadolin.preprocessing.prepare import Preparation
from gadolin.progress import Progress
from gadolin.records import Failure, Record
from gadolin.splits import hold_out, join_copies
from gadolin.training.batches import Examples
from gadolin.training.multi_source import (
    class_names,
    draw_chances,
    kindless,
    kinds_known,
    sequence_names,
)
from gadolin.training.plan import Plan

__all__ = ["Parts", "divide"]

_LOG = logging.getLogger("gadolin")


@dataclass(frozen=True, slots=True)
class Parts:
    """All records with their groups and parts, the classes in order, and the slices of each part.

    ``sequences`` are the MRI sequences to learn. ``errors`` counts unreadable files by code, ``left_out`` files that
    were skipped without an error. ``copies`` are the duplicates among all records; None in a resumed run, whose
    manifest has their groups.
    """

    records: tuple[Record, ...]
    classes: tuple[str, ...]
    train: Examples
    validation: Examples
    test: Prepared
    sequences: tuple[str, ...] = ()
    errors: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    copies: Copies | None = field(default=None, repr=False)


def divide(plan: Plan, progress: Progress | None) -> Parts:
    """Scan and prepare the data; if it has no test or validation part, cut one by patient and group of copies.

    A resumed run keeps the parts of its manifest. Raises DataError if a part lacks a class.
    """
    preparation = plan.recipe.preparation
    copies: Copies | None = None
    if plan.resume:
        run = RunFolder(plan.out)
        records = read_manifest(run.manifest)
        prepared = prepared_slices(records, preparation, plan.cache, progress=progress)
        known = run.read()
        errors, left_out = known.errors, known.left_out
    else:
        found = scan(plan.data, patient_from=plan.patient_from, progress=progress)
        require_trainable(found, skip_unreadable=plan.skip_unreadable)
        prepared, kept, wrong = _prepared(plan, found.records, progress)
        errors, left_out = count_by_code([*found.errors, *wrong]), count_by_code(found.left_out)
        same = preparation == Preparation()
        copies = find_copies(prepared.slices, progress=progress) if same else copies_of_records(kept, cache=plan.cache)
        records = join_copies(kept, copies.joined)
        for part, share in (("test", plan.test), ("validation", plan.validation)):
            if all(record.split != part for record in records):
                records = hold_out(
                    records, share, part=part, seed=plan.machine.seed, keep=kindless(records, plan.recipe.sources.kinds)
                )
    classes = class_names(records, plan.recipe.sources.kinds)
    _check_parts(records, classes)
    teaches = kinds_known(records, plan.recipe.sources.kinds)
    outlines = None
    if plan.recipe.network.evidence != "map":
        outlines = prepared_outlines(records, preparation, progress=progress)

    sequences = sequence_names(records, plan.recipe.sources.sequence_weight)
    sequence_index = {name: number for number, name in enumerate(sequences)}
    kinds, class_index = lesion_classes(classes), {label: index for index, label in enumerate(classes)}

    def examples(name: str) -> Examples:
        rows = [index for index, record in enumerate(records) if record.split == name]
        part = [records[index] for index in rows]
        chances = None
        if plan.recipe.balance == "sources":
            chances = draw_chances(part, None if teaches is None else teaches[rows], plan.recipe.sources.kind_share)
        return Examples(
            slices=prepared.slices,
            rows=np.array(rows, np.int64),
            targets=np.array([class_index.get(record.label, kinds[0] if kinds else 0) for record in part], np.int64),
            outlines=outlines,
            kinds=kinds,
            kind_known=None if teaches is None else teaches[rows],
            sequences=np.array([sequence_index.get(one.sequence, -1) for one in part], np.int64) if sequences else None,
            chances=chances,
        )

    test = prepared.take([index for index, record in enumerate(records) if record.split == "test"])
    train, validation = examples("train"), examples("validation")
    return Parts(tuple(records), classes, train, validation, test, sequences, errors, left_out, copies)


def _prepared(
    plan: Plan, records: Sequence[Record], progress: Progress | None
) -> tuple[Prepared, Sequence[Record], list[Failure]]:
    """Prepare the slices; if ``plan.skip_unreadable``, skip unreadable ones with a warning.

    Returns the slices, their records, and the unreadable files.
    """
    preparation = plan.recipe.preparation
    if not plan.skip_unreadable:
        return prepared_slices(records, preparation, plan.cache, progress=progress), records, []
    read = readable_slices(records, preparation, plan.cache, progress=progress)
    failed = [Failure(records[row].name, error) for row, error in read.errors.items()]
    for one in failed:
        _LOG.warning("left out %s", one)
    return read.prepared, [records[row] for row in read.rows], failed


def _check_parts(records: Sequence[Record], classes: Sequence[str]) -> None:
    counts = Counter((record.split, record.label) for record in records)
    for part in ("train", "validation"):
        for label in classes:
            if not counts[part, label]:
                raise DataError(
                    code="class_missing_in_part",
                    rule=f"every class needs slices in the {part} part",
                    got=f"{label!r} has none",
                    remedy="add some, or correct the manifest's split column",
                )
