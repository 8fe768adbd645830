"""Divide a data set into parts or folds that share no slice and no patient (``gadolin split``)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets import Scan, require_trainable, scan
from gadolin.duplicates import Copies, find_copies
from gadolin.errors import DataError, RequestError, suggestion
from gadolin.preprocessing.cache import readable_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.progress import Progress
from gadolin.records import Failure, Record
from gadolin.splits import assign_folds, conflicts_against, conflicts_within, hold_out, join_copies, transfer_patients

__all__ = ["BY", "Partition", "SplitConfig", "partition"]

BY = ("patient", "copies")


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """How to divide: into ``folds``, or into training and a ``test`` share in (0, 1); the other one is None.

    ``by`` "patient" needs the patient of every slice; "copies" keeps copies and known patients together. ``one_each``
    keeps one picture of each slice. The same ``seed`` gives the same division.
    """

    folds: int | None = None
    test: float | None = None
    by: str = "patient"
    one_each: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the settings."""
        if (self.folds is None) == (self.test is None):
            raise RequestError(
                code="options_exclude_each_other",
                rule="a split needs either folds or a test share",
                got=f"got {self.folds} and {self.test}",
                remedy="give one of them",
            )
        if self.folds is not None and self.folds < 2:
            raise RequestError(
                code="folds_out_of_range",
                rule="folds must be two or more",
                got=f"got {self.folds}",
                remedy="5 is usual",
            )
        if self.test is not None and not 0 < self.test < 1:
            raise RequestError(
                code="share_out_of_range",
                rule="the test share must lie between 0 and 1",
                got=f"got {self.test}",
                remedy="0.2 is usual",
            )
        if self.by not in BY:
            raise RequestError(
                code="split_rule_unknown",
                rule="a split is by patient or by copies",
                got=f"got {self.by!r}{suggestion(self.by, BY)}",
                remedy="choose one",
            )


@dataclass(frozen=True, slots=True)
class Partition:
    """The divided records, and the changes made.

    ``dropped`` lists the excluded slices with a reason; ``merged`` the names of slices that are copies of one another,
    group by group; names are those of an audit. ``carried`` counts the slices with a patient transferred from the
    other data set.
    """

    records: tuple[Record, ...]
    dropped: tuple[Failure, ...]
    merged: tuple[tuple[str, ...], ...]
    carried: int

    def as_json(self) -> dict[str, object]:
        """Return counts by part and class, and all dropped and merged slices."""
        parts = sorted({_part(record) for record in self.records})
        labels = sorted({record.label for record in self.records})
        places = [(_part(record), record.label) for record in self.records]
        return {
            "slices": len(self.records),
            "classes": labels,
            "parts": {part: {label: places.count((part, label)) for label in labels} for part in parts},
            "patients": len({record.patient for record in self.records if record.patient}) or None,
            "carried": self.carried,
            "dropped": [{"name": one.path, "code": one.code, "reason": one.reason} for one in self.dropped],
            "merged": [list(names) for names in self.merged],
        }


def partition(
    data: Scan | Path,
    wish: SplitConfig,
    *,
    against: Scan | Path | None = None,
    patient_from: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Partition:
    """Divide ``data`` as set in ``wish``, so that no slice, no copy of it and no patient is in two parts.

    Slices whose copies in ``against`` have exactly one patient get that patient. Unreadable files are dropped, and so
    are copies with different labels and slices whose label ``against`` contradicts, as at least one label is wrong.
    Raises DataError where patients are required but unknown, a class would be dropped entirely or cannot be divided;
    writes nothing.
    """
    found = scan(data, patient_from=patient_from)
    require_trainable(found, skip_unreadable=True)
    read, slices, lost = _read(found, cache, progress)
    own, known, stacks = [replace(record, split="", fold=None) for record in read], [], [slices]
    if against is not None:
        other = scan(against)
        read, slices, unread = _read(other, cache, progress)
        known = [replace(one, group=one.group and f"{other.name}:{one.group}") for one in read]  # distinct names
        stacks.append(slices)
        lost += [replace(one, path=(other.folder / one.path).as_posix()) for one in unread]
    copies = find_copies(*stacks, progress=progress)
    carried = transfer_patients(own, known, copies)
    joined = join_copies([*carried, *known], copies.joined)[: len(own)]
    names = [*map(found.name_of, own), *(one.name for one in known)]
    dropped = _contradicted([*own, *known], names, copies, len(own))
    if wish.one_each:
        dropped |= _repeated(names[: len(own)], copies, dropped)
    kept = [record for row, record in enumerate(joined) if row not in dropped]
    reasons = [*lost, *(Failure(names[row], error) for row, error in sorted(dropped.items()))]
    _require_classes(found, kept, {one.path: one.reason for one in reasons})
    if wish.by == "patient":
        _require_patients(kept)
    return Partition(
        records=tuple(assign_folds(kept, wish.folds, seed=wish.seed) if wish.folds else _with_test(kept, wish)),
        dropped=tuple(reasons),
        merged=_merged(names[: len(own)], copies),
        carried=sum(not before.patient and bool(after.patient) for before, after in zip(own, carried, strict=True)),
    )


def _read(
    found: Scan, cache: Path | None, progress: Progress | None
) -> tuple[Sequence[Record], NDArray[np.uint8], list[Failure]]:
    """Return the readable records, their prepared slices (N, 256, 256) and the unreadable files."""
    lost = [replace(one, path=found.below(Path(one.path)).as_posix()) for one in found.errors]
    read = readable_slices(found.records, Preparation(), cache, progress=progress)
    lost += [Failure(found.name_of(found.records[row]), error) for row, error in read.errors.items()]
    if not read.rows:
        raise DataError(
            code="no_readable_slice",
            rule="a data set must hold pictures that can be read",
            got=f"{found.root} holds none",
            remedy=str(lost[0]),
        )
    return [found.records[row] for row in read.rows], read.prepared.slices, lost


def _contradicted(records: Sequence[Record], names: Sequence[str], copies: Copies, own: int) -> dict[int, DataError]:
    """Return the rows whose label a copy in either data set contradicts, each with an error that names the copy."""
    found = conflicts_against(records, own, copies) | conflicts_within(records, own, copies)
    return {
        row: DataError(
            code="label_conflict",
            rule="copies of one slice must have the same label",
            got=f"this one is {records[row].label} and {names[other]} is {records[other].label}: at least one is wrong",
        )
        for row, (other, *_) in found.items()
    }


def _repeated(names: Sequence[str], copies: Copies, dropped: Mapping[int, DataError]) -> dict[int, DataError]:
    """Return the rows that are copies of an earlier kept row, each with an error that names it."""
    first: dict[int, int] = {}
    repeated = {}
    for row, group in enumerate(copies.groups.tolist()[: len(names)]):
        if row not in dropped and first.setdefault(group, row) != row:
            repeated[row] = DataError(
                code="duplicate", rule="each slice must occur once", got=f"this is a copy of {names[first[group]]}"
            )
    return repeated


def _require_classes(found: Scan, kept: Sequence[Record], reasons: Mapping[str, str]) -> None:
    left = {record.label for record in kept}
    for label in found.classes:
        if label not in left:
            gone = [found.name_of(record) for record in found.records if record.label == label]
            raise DataError(
                code="class_vanishes",
                rule="every class must keep slices",
                got=(f"all {len(gone)} of {label!r} would be dropped, such as {gone[0]} ({reasons[gone[0]]})"),
                remedy="correct the labels, repair the files or use another --against",
            )


def _require_patients(records: Sequence[Record]) -> None:
    without = [record.name for record in records if not record.patient]
    if without:
        raise DataError(
            code="patients_unknown",
            rule="a split by patient needs the patient of every slice",
            got=f"{len(without)} of {len(records)} have none, such as {without[0]}",
            remedy=(
                "set them with --patient-from, transfer them with --against, or split --by copies, "
                "which cannot guarantee that no patient is in two parts"
            ),
        )


def _with_test(records: Sequence[Record], wish: SplitConfig) -> list[Record]:
    assert wish.test is not None, "without folds a test share is set"
    return hold_out(records, wish.test, part="test", seed=wish.seed)


def _merged(names: Sequence[str], copies: Copies) -> tuple[tuple[str, ...], ...]:
    members: dict[int, list[str]] = defaultdict(list)
    for name, number in zip(names, copies.joined[: len(names)].tolist(), strict=True):
        members[number].append(name)
    return tuple(tuple(together) for together in members.values() if len(together) > 1)


def _part(record: Record) -> str:
    """Return the name of a record's fold, else its part."""
    return f"fold {record.fold}" if record.fold is not None else record.split
