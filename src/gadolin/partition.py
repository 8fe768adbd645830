"""A data set becomes a manifest whose parts share no slice and no patient: what ``gadolin split`` does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from gadolin.cache import prepared_slices
from gadolin.copies import Copies, find_copies
from gadolin.errors import DataError, RequestError, suggestion
from gadolin.prepare import Preparation
from gadolin.records import Record
from gadolin.sources import require_trainable, scan
from gadolin.splits import assign_folds, carry_patients, cut, join_copies

__all__ = ["BY", "Partition", "Wish", "partition"]

BY = ("patient", "copies")

Progress = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True)
class Wish:
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
            msg = f"a split needs either folds or a test share, got {self.folds} and {self.test}; give one of them"
            raise RequestError(msg)
        if self.folds is not None and self.folds < 2:
            msg = f"folds must be two or more, got {self.folds}; 5 is usual"
            raise RequestError(msg)
        if self.test is not None and not 0 < self.test < 1:
            msg = f"the test share must lie between 0 and 1, got {self.test}; 0.2 is usual"
            raise RequestError(msg)
        if self.by not in BY:
            msg = f"a split is by patient or by copies, got {self.by!r}{suggestion(self.by, BY)}; choose one"
            raise RequestError(msg)


@dataclass(frozen=True, slots=True)
class Partition:
    """The divided records, and what was done on the way.

    ``dropped`` holds (slice name, reason); ``merged`` the names of the slices that are copies of one another, group
    by group; ``carried`` how many slices have their patient from the collection compared against.
    """

    records: tuple[Record, ...]
    dropped: tuple[tuple[str, str], ...]
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
            "dropped": [{"name": name, "reason": reason} for name, reason in self.dropped],
            "merged": [list(names) for names in self.merged],
        }


def partition(
    data: Path,
    wish: Wish,
    *,
    against: Path | None = None,
    patient_from: str | None = None,
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Partition:
    """Divide ``data`` as ``wish`` says, so that no slice, however copied, and no patient stands in two parts.

    Slices whose copies in ``against`` name one patient belong to that patient. Pictures of one slice under two labels
    are dropped, for at least one is wrong. Raises DataError where patients are asked for and not known, or a class
    cannot be divided; nothing is written.
    """
    found = scan(data, patient_from=patient_from)
    require_trainable(found, skip_unreadable=True)
    own = [replace(record, split="", fold=None) for record in found.records]
    known = list(scan(against).records) if against else []
    told = None if progress is None else lambda done, total: progress(done, total, "preparing slices")
    stacks = [prepared_slices(some, Preparation(), cache, progress=told).slices for some in (own, known) if some]
    copies = find_copies(*stacks, progress=progress)
    carried = carry_patients(own, known, copies)
    joined = join_copies([*carried, *known], copies.joined)[: len(own)]
    dropped = {row: reason for row, reason in _contradicted([*own, *known], copies).items() if row < len(own)}
    if wish.one_each:
        dropped |= {row: reason for row, reason in _repeated(own, copies, dropped).items() if row not in dropped}
    kept = [record for row, record in enumerate(joined) if row not in dropped]
    if wish.by == "patient":
        _require_patients(kept)
    divided = assign_folds(kept, wish.folds, seed=wish.seed) if wish.folds else _with_test(kept, wish)
    skipped = [(path.as_posix(), reason) for path, reason in found.skipped]
    return Partition(
        records=tuple(divided),
        dropped=(*skipped, *((own[row].name, reason) for row, reason in sorted(dropped.items()))),
        merged=_merged(own, copies),
        carried=sum(not before.patient and bool(after.patient) for before, after in zip(own, carried, strict=True)),
    )


def _contradicted(records: Sequence[Record], copies: Copies) -> dict[int, str]:
    """Return the rows whose copy group bears two labels, and which copy says otherwise."""
    rows: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(copies.groups.tolist()):
        rows[group].append(row)
    told = {}
    for members in rows.values():
        for row in members:
            other = next((one for one in members if records[one].label != records[row].label), None)
            if other is not None:
                told[row] = (
                    f"labelled {records[row].label}, its copy {records[other].name} {records[other].label}: "
                    "at least one is wrong"
                )
    return told


def _repeated(own: Sequence[Record], copies: Copies, dropped: dict[int, str]) -> dict[int, str]:
    """Return the rows that show the slice of an earlier row that is kept, and which that is."""
    first: dict[int, int] = {}
    repeated = {}
    for row, group in enumerate(copies.groups.tolist()[: len(own)]):
        if row not in dropped and first.setdefault(group, row) != row:
            repeated[row] = f"a copy of {own[first[group]].name}"
    return repeated


def _require_patients(records: Sequence[Record]) -> None:
    without = [record.name for record in records if not record.patient]
    if without:
        msg = (
            f"a split by patient needs the patient of every slice, {len(without)} of {len(records)} have none, such as "
            f"{without[0]}; name them with --patient-from, find them with --against, or split --by copies, which "
            "cannot promise that no patient stands in two parts"
        )
        raise DataError(msg)


def _with_test(records: Sequence[Record], wish: Wish) -> list[Record]:
    assert wish.test is not None, "a wish without folds has a test share"
    return cut(records, wish.test, part="test", seed=wish.seed)


def _merged(own: Sequence[Record], copies: Copies) -> tuple[tuple[str, ...], ...]:
    joined = copies.joined[: len(own)]
    repeated = [number for number, count in zip(*np.unique(joined, return_counts=True), strict=True) if count > 1]
    members = {int(number): [own[int(row)].name for row in np.flatnonzero(joined == number)] for number in repeated}
    return tuple(tuple(names) for names in members.values())


def _part(record: Record) -> str:
    """Return what a record's part is called: its fold, else its split."""
    return f"fold {record.fold}" if record.fold is not None else record.split
