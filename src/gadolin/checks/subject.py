"""What every check of an audit sees."""

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
from gadolin.splits import carry_patients, learned_before

__all__ = ["Subject", "called", "no_sides"]


@dataclass(frozen=True, eq=False)
class Subject:
    """A data set under audit, and perhaps another that it is compared with.

    The first ``own`` of the N ``records`` are of the data set under audit, the others of the one it is compared with;
    ``facts`` (N), ``slices`` (N, 256, 256) uint8 and ``copies`` number them the same way. Only slices that could be
    read are among them: ``errors`` lists the others, and what could not be entered, ``left_out`` what was left out
    without fault, ``unlisted`` the pictures in the folder that its manifest does not name, None where there is none.
    ``whole`` are the rows in which no head was found. ``scan`` and ``against`` are what was recognised in the two
    folders.

    Where they were given: ``probabilities`` (own, K) float64, out of fold, in the order of ``classes``, NaN in the rows
    of slices that have none; ``bundle``, the model that the data set is to be used with.
    """

    records: tuple[Record, ...]
    own: int
    facts: tuple[FileFacts, ...]
    slices: NDArray[np.uint8]
    copies: Copies
    scan: Scan
    against: Scan | None = None
    whole: tuple[int, ...] = ()
    errors: tuple[Failure, ...] = ()
    left_out: tuple[Failure, ...] = ()
    unlisted: tuple[str, ...] | None = None
    probabilities: NDArray[np.float64] | None = None
    bundle: Bundle | None = None

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """The class names of the data set under audit, sorted."""
        return tuple(sorted({record.label for record in self.mine}))

    @property
    def mine(self) -> tuple[Record, ...]:
        """The records of the data set under audit."""
        return self.records[: self.own]

    @cached_property
    def carried(self) -> tuple[Record, ...]:
        """The records under audit, with the patients of the slices that they are copies of in the other data set."""
        return tuple(carry_patients(self.mine, self.records[self.own :], self.copies))

    @cached_property
    def outlines(self) -> Outlines | None:
        """The outlines of the slices under audit, read once; None where none is named."""
        return prepared_outlines(self.mine, Preparation(), skip=True)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that the data set names, such as "train" and "test"; empty where it names none."""
        return tuple(part for part in ("train", "validation", "test") if any(one.split == part for one in self.mine))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What each of the N slices is called in findings, as ``called`` says; no two data sets share a name."""
        names = [called(record.path, self.scan.root) for record in self.mine]
        if self.against is not None:
            names += [called(one.path, self.against.root, other=True) for one in self.records[self.own :]]
        return tuple(slice_name(name, record.frame) for name, record in zip(names, self.records, strict=True))

    def named(self, rows: list[int] | tuple[int, ...]) -> tuple[str, ...]:
        """Return the names of ``rows``, in their order."""
        return tuple(self.names[row] for row in rows)

    @cached_property
    def copy_groups(self) -> tuple[tuple[int, ...], ...]:
        """The rows of each group of two or more slices that all are copies of each other, largest group first."""
        return _sets(self.copies.groups)

    @cached_property
    def connected(self) -> tuple[tuple[int, ...], ...]:
        """The rows of each set of two or more slices that are copies of each other, also through others."""
        return _sets(self.copies.joined)


def called(path: Path, root: Path, *, other: bool = False) -> str:
    """Return what a file of the data set at ``root`` is called: its path below the folder, else its whole path.

    In the other data set that follows the folder's name and a colon, such as "figshare:1/7.mat".
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


def no_sides(subject: Subject) -> str:
    """Return why nothing can stand on both sides of a split, as a clause; empty where it can."""
    if len({record.fold for record in subject.mine} - {None}) > 1:
        return ""
    if any(set(learned_before(part)).intersection(subject.parts) for part in subject.parts):
        return ""
    return "there is no second part to compare with" if subject.parts else "no parts and no folds are named"
