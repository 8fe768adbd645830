"""A data set becomes a manifest whose parts share no slice and no patient: what ``gadolin split`` does."""

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
from gadolin.splits import assign_folds, conflicts_against, conflicts_within, cut, join_copies, transfer_patients

__all__ = ["BY", "Partition", "SplitConfig", "partition"]

BY = ("patient", "copies")


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """How to divide: into ``folds``, or off with a ``test`` share in (0, 1), the other left None.

    ``by`` "patient" needs the patient of every slice; "copies" keeps copies together, and the patients that are known.
    With ``one_each`` one picture of each slice is kept. The same ``seed`` divides alike.
    """

    folds: int | None = None
    test: float | None = None
    by: str = "patient"
    one_each: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse what cannot be divided by."""
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
    """The divided records, and what was done on the way.

    ``dropped`` names the slices left out and says why; ``merged`` the names of the slices that are copies of one
    another, group by group; slices are named as in an audit. ``carried`` is how many have their patient from the
    collection compared against.
    """

    records: tuple[Record, ...]
    dropped: tuple[Failure, ...]
    merged: tuple[tuple[str, ...], ...]
    carried: int

    def as_json(self) -> dict[str, object]:
        """Return counts by part and class, and everything dropped and merged."""
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
    """Divide ``data`` as ``wish`` says, so that no slice, however copied, and no patient stands in two parts.

    Slices whose copies in ``against`` name one patient belong to that patient. Files that cannot be read are dropped,
    and so are pictures of one slice under two labels, and those whose label ``against`` contradicts, for at least one
    is wrong. Raises DataError where patients are asked for and not known, a class would be dropped whole or cannot be
    divided; nothing is written.
    """
    found = scan(data, patient_from=patient_from)
    require_trainable(found, skip_unreadable=True)
    read, slices, lost = _read(found, cache, progress)
    own, known, stacks = [replace(record, split="", fold=None) for record in read], [], [slices]
    if against is not None:
        other = scan(against)
        read, slices, unread = _read(other, cache, progress)
        known = [replace(one, group=one.group and f"{other.name}:{one.group}") for one in read]  # names of its own
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
    """Return the records that can be read, their prepared slices (N, 256, 256), and what cannot be read."""
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
    """Return the rows under a label that a copy contradicts, here or in the other data set, and which copy does."""
    found = conflicts_against(records, own, copies) | conflicts_within(records, own, copies)
    return {
        row: DataError(
            code="label_conflict",
            rule="copies of one slice must have one label",
            got=f"this one is {records[row].label} and {names[other]} is {records[other].label}: at least one is wrong",
        )
        for row, (other, *_) in found.items()
    }


def _repeated(names: Sequence[str], copies: Copies, dropped: Mapping[int, DataError]) -> dict[int, DataError]:
    """Return the rows that show the slice of an earlier row that is kept, and which that is."""
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
                remedy="correct the labels, mend the files or take another --against",
            )


def _require_patients(records: Sequence[Record]) -> None:
    without = [record.name for record in records if not record.patient]
    if without:
        raise DataError(
            code="patients_unknown",
            rule="a split by patient needs the patient of every slice",
            got=f"{len(without)} of {len(records)} have none, such as {without[0]}",
            remedy=(
                "name them with --patient-from, find them with --against, or split --by copies, "
                "which cannot promise that no patient stands in two parts"
            ),
        )


def _with_test(records: Sequence[Record], wish: SplitConfig) -> list[Record]:
    assert wish.test is not None, "a wish without folds has a test share"
    return cut(records, wish.test, part="test", seed=wish.seed)


def _merged(names: Sequence[str], copies: Copies) -> tuple[tuple[str, ...], ...]:
    members: dict[int, list[str]] = defaultdict(list)
    for name, number in zip(names, copies.joined[: len(names)].tolist(), strict=True):
        members[number].append(name)
    return tuple(tuple(together) for together in members.values() if len(together) > 1)


def _part(record: Record) -> str:
    """Return what a record's part is called: its fold, else its split."""
    return f"fold {record.fold}" if record.fold is not None else record.split
