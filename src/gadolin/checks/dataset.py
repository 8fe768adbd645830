"""The input of audit checks: records, pixels, copies and optional model outputs."""

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

    ``all_records`` (N) lists the readable slices: first the ``n_records`` of the data set under audit, then those of
    the second data set. ``facts`` (N), ``slices`` (N, 256, 256) uint8 and ``copies`` have the same order.
    ``without_head`` lists the rows in which no head was found. ``errors`` lists the unreadable files and ``left_out``
    the files skipped on purpose. ``unlisted`` lists the pictures in the folder that are missing from its manifest; it
    is None without a manifest. ``scan`` and ``against`` are the scans of the first and the second data set.

    Optional: ``probabilities`` (n_records, K) float64 are out-of-fold predictions, with columns in the order of
    ``classes`` and NaN for a slice without a prediction. ``bundle`` is the model to use with the data set.
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
        """The records under audit; patients that they lack are taken from their copies in the second data set."""
        return tuple(transfer_patients(self.records, self.all_records[self.n_records :], self.copies))

    @cached_property
    def outlines(self) -> Outlines | None:
        """The outlines of the slices under audit, read once; None if no slice has one."""
        return prepared_outlines(self.records, Preparation(), skip=True)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that the data set defines, of "train", "validation" and "test"; may be empty."""
        return tuple(part for part in ("train", "validation", "test") if any(one.split == part for one in self.records))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The display names of the N slices; no name occurs in both data sets."""
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
        """The rows of each group of two or more slices that are all copies of each other, largest group first."""
        return _sets(self.copies.groups)

    @cached_property
    def connected(self) -> tuple[tuple[int, ...], ...]:
        """The rows of each set of two or more slices that copies connect, directly or through others, largest first."""
        return _sets(self.copies.joined)


def display_name(path: Path, root: Path, *, other: bool = False) -> str:
    """Return the display name of a file: its path below the folder of the data set, or its full path if outside.

    ``root`` is the folder or manifest of the data set. With ``other``, for the second data set, the name of ``root`` is
    a prefix: "figshare:1/7.mat".
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
    """Return a clause that says why no two parts or folds can be compared; empty if two can."""
    if len({record.fold for record in dataset.records} - {None}) > 1:
        return ""
    if any(set(learned_before(part)).intersection(dataset.parts) for part in dataset.parts):
        return ""
    return "there is no second part to compare with" if dataset.parts else "no parts or folds are defined"
