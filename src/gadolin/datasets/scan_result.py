"""The result of scanning a data set."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path

from gadolin.datasets.releases.release import Release
from gadolin.errors import DataError
from gadolin.files.folder_walk import count_by_code, describe, failures_json
from gadolin.records import Failure, Record

__all__ = ["Scan", "in_order_of_path", "require_trainable"]

_LOG = logging.getLogger("gadolin")


@dataclass(frozen=True, slots=True, repr=False)
class Scan:
    """A recognised data set.

    ``kind`` is "manifest", "parts" (folders of parts such as Training and Testing), "classes" (one folder per class),
    "mat" (MATLAB files that store their class), "annotations" (images with a table) or "channels" (several sequences in
    one image). ``renamed`` maps original class names to canonical ones. ``errors`` lists invalid slices and
    inaccessible entries, ``left_out`` entries skipped on purpose. ``release`` is the public release, if recognised;
    ``base`` is the folder that holds parts and classes, if inside ``root``; ``patient_from`` the rule that gave the
    patients, if one was given.
    """

    root: Path
    kind: str
    records: tuple[Record, ...]
    renamed: dict[str, str] = field(default_factory=dict)
    errors: tuple[Failure, ...] = ()
    left_out: tuple[Failure, ...] = ()
    release: Release | None = None
    base: Path | None = None
    patient_from: str | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, sorted."""
        return tuple(sorted({record.label for record in self.records}))

    @property
    def name(self) -> str:
        """The name of the data set: that of its folder, or of its manifest unless that is manifest.csv."""
        whole = self.root.resolve()
        return whole.parent.name if whole.name == "manifest.csv" else whole.stem

    @property
    def counts(self) -> Mapping[str, Mapping[str, int]]:
        """The number of slices by part (or "fold 0" etc.) and class; "" counts slices without a part."""
        counts = Counter((part_of(record), record.label) for record in self.records)
        parts = sorted({part_of(record) for record in self.records})
        return {part: {name: counts[part, name] for name in self.classes} for part in parts}

    @property
    def patients(self) -> int:
        """The number of known patients."""
        return len({record.patient for record in self.records if record.patient})

    def part(self, name: str) -> Scan:
        """Return the slices of one split: "train", "validation" or "test"; raises DataError if it is empty."""
        records = tuple(record for record in self.records if record.split == name)
        if not records:
            raise DataError(
                code="part_missing",
                rule="a part must have slices",
                got=f"{self.root} has none in {name!r}",
                remedy=f"choose one of {', '.join(filter(None, self.counts)) or 'none: split the data first'}",
            )
        return replace(self, records=records)

    @property
    def folder(self) -> Path:
        """The folder that paths are relative to: the data folder, or that of the manifest."""
        return self.root if self.root.is_dir() else self.root.parent

    def name_of(self, record: Record) -> str:
        """Return the display name of a slice: its path relative to ``folder``, else its full path."""
        return replace(record, path=self.below(record.path)).name

    def below(self, path: Path) -> Path:
        """Return a path relative to ``folder`` if it is inside, else unchanged."""
        return path.relative_to(self.folder) if path.is_relative_to(self.folder) else path

    def as_json(self) -> dict[str, object]:
        """Return release, counts by class and part, patients, renamed classes and skipped files as JSON."""
        return {
            "data": str(self.root),
            "base": str(self.base or self.folder),
            "kind": self.kind,
            "release": None if self.release is None else self.release.as_json(),
            "slices": len(self.records),
            "classes": list(self.classes),
            "parts": {part or "all": counts for part, counts in self.counts.items()},
            "patients": self.patients or None,
            "slices_without_patient": sum(not record.patient for record in self.records),
            "renamed": self.renamed,
            **failures_json(self.errors, self.left_out),
        }

    def __repr__(self) -> str:
        """Return the path, and the numbers of slices, classes, parts and patients."""
        parts = ", ".join(f"{sum(counts.values())} {part or 'without a part'}" for part, counts in self.counts.items())
        patients = f"{self.patients} patients" if self.patients else "patients unknown"
        left = len(self.errors) + len(self.left_out)
        facts = [f"{len(self.records)} slices ({parts})", f"classes {', '.join(self.classes)}", patients]
        facts += [f"{left} files left out"] if left else []
        return f"Scan({str(self.root)!r}: {', '.join(facts)})"

    def _repr_html_(self) -> str:
        """Return the number of slices by part and class as an HTML table, for notebooks."""
        head = "".join(f"<th>{escape(name)}</th>" for name in ("part", *self.classes))
        rows = "".join(
            f"<tr><td>{part or 'all'}</td>{''.join(f'<td>{count}</td>' for count in counts.values())}</tr>"
            for part, counts in self.counts.items()
        )
        return (
            f"<p><b>{escape(str(self.root))}</b>, {self.patients or 'unknown'} patients</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )


def part_of(record: Record) -> str:
    """Return the display name of the part of a record: its fold, else its part, else ""."""
    return f"fold {record.fold}" if record.fold is not None and not record.split else record.split


def in_order_of_path(failures: Iterable[Failure]) -> tuple[Failure, ...]:
    """Return failures sorted by path."""
    return tuple(sorted(failures, key=lambda one: one.path))


def require_trainable(found: Scan, *, skip_unreadable: bool = False) -> None:
    """Raise DataError unless there are at least two classes, and no unreadable files or ``skip_unreadable``.

    Skipped files are logged, counted by code.
    """
    if len(found.classes) < 2:
        raise DataError(
            code="too_few_classes",
            rule="training needs two classes or more",
            got=f"{found.root} holds one, {found.classes[0]!r}",
            remedy="use one folder per class",
        )
    if found.errors and not skip_unreadable:
        first = found.errors[0]
        counts = ", ".join(f"{code} {count}" for code, count in count_by_code(found.errors).items())
        raise DataError(
            code="unreadable_files",
            rule="every file of the data must be readable",
            got=f"{len(found.errors)} are not ({counts}), this one because: {first.error.statement}",
            remedy="fix the files that gadolin scan lists, or pass --skip-unreadable",
            path=first.path,
        )
    for line in describe("left out", [*found.errors, *found.left_out]):
        _LOG.warning(line)
