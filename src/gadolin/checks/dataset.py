"""Input of the checks of an audit: records, pixels, copies and optional model outputs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.file_facts import FileFacts
from gadolin.datasets import Scan
from gadolin.duplicates import Copies
from gadolin.models.bundle import Bundle
from gadolin.preprocessing.outlines import Outlines, prepared_outlines
from gadolin.preprocessing.prepare import Preparation
from gadolin.records import Failure, Record, slice_name
from gadolin.splits import learned_before, transfer_patients

__all__ = ["Dataset", "display_name", "no_sides"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """A data set under audit, optionally with a second data set for comparison.

    The first ``n_records`` of the N ``all_records`` belong to the data set under audit, the rest to the second one.
    ``facts`` (N), ``slices`` (N, 256, 256) uint8 and ``copies`` have the same order. Only readable slices are included:
    ``errors`` lists the unreadable files, ``left_out`` the files skipped on purpose, ``unlisted`` the pictures in the
    folder that its manifest does not list (None without a manifest). ``without_head`` are the rows in which no head was
    found. ``scan`` and ``against`` are the two scans.

    Optional: ``probabilities`` (n_records, K) float64, out of fold, in the order of ``classes``, NaN where a slice has
    none; ``bundle``, the model to use with the data set.
    """

    all_records: tuple[Record, ...]
    n_records: int
    facts: tuple[FileFacts, ...]
    slices: NDArray[np.uint8]
    copies: Copies
    scan: Scan
    against: Scan | None = None
    without_head: tuple[int, ...] = ()
    errors: tuple[Failure, ...] = ()
    left_out: tuple[Failure, ...] = ()
    unlisted: tuple[str, ...] | None = None
    probabilities: NDArray[np.float64] | None = None
    bundle: Bundle | None = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names of the data set under audit, sorted."""
        return tuple(sorted({record.label for record in self.records}))

    @property
    def records(self) -> tuple[Record, ...]:
        """The records of the data set under audit."""
        return self.all_records[: self.n_records]

    @cached_property
    def records_with_patients(self) -> tuple[Record, ...]:
        """The records under audit, with patients transferred from their copies in the other data set."""
        return tuple(transfer_patients(self.records, self.all_records[self.n_records :], self.copies))

    @cached_property
    def outlines(self) -> Outlines | None:
        """The outlines of the slices under audit, read once; None where there are none."""
        return prepared_outlines(self.records, Preparation(), skip=True)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts of the data set, such as "train" and "test"; empty where none is defined."""
        return tuple(part for part in ("train", "validation", "test") if any(one.split == part for one in self.records))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The display name of each of the N slices; the two data sets share no name."""
        names = [display_name(record.path, self.scan.root) for record in self.records]
        if self.against is not None:
            names += [
                display_name(one.path, self.against.root, other=True) for one in self.all_records[self.n_records :]
            ]
        return tuple(slice_name(name, record.frame) for name, record in zip(names, self.all_records, strict=True))

    def names_of(self, rows: list[int] | tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of ``rows``, in their order."""
        return tuple(self.names[row] for row in rows)

    @cached_property
    def copy_groups(self) -> tuple[tuple[int, ...], ...]:
        """The rows of each group of two or more slices in which any two are copies, largest group first."""
        return _sets(self.copies.groups)

    @cached_property
    def connected(self) -> tuple[tuple[int, ...], ...]:
        """The rows of each set of two or more slices connected as copies, directly or through others."""
        return _sets(self.copies.joined)


def display_name(path: Path, root: Path, *, other: bool = False) -> str:
    """Return the display name of a file in the data set at ``root``: its path below the folder, else its full path.

    In the other data set, the folder's name and a colon come first, such as "figshare:1/7.mat".
    """
    base = root if root.is_dir() else root.parent
    below = (path.relative_to(base) if path.is_relative_to(base) else path).as_posix()
    return f"{root.resolve().name}:{below}" if other else below


def _sets(numbers: NDArray[np.int64]) -> tuple[tuple[int, ...], ...]:
    members: dict[int, list[int]] = {}
    for row, number in enumerate(numbers.tolist()):
        members.setdefault(number, []).append(row)
    sets = [tuple(rows) for rows in members.values() if len(rows) > 1]
    return tuple(sorted(sets, key=lambda rows: (-len(rows), rows)))


def no_sides(dataset: Dataset) -> str:
    """Return why there are no two parts or folds to compare, as a clause; empty where there are."""
    if len({record.fold for record in dataset.records} - {None}) > 1:
        return ""
    if any(set(learned_before(part)).intersection(dataset.parts) for part in dataset.parts):
        return ""
    return "there is no second part to compare with" if dataset.parts else "no parts or folds are defined"
