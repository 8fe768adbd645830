"""An audit: a data set, and perhaps another that it is compared with, in; what is wrong with it out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gadolin.cache import readable_slices
from gadolin.checks.beneath import beneath
from gadolin.checks.beside import Beside
from gadolin.checks.facts import FileFacts, file_facts
from gadolin.checks.parts import PartCount, part_counts
from gadolin.checks.registry import CHECKS
from gadolin.checks.subject import Subject, called
from gadolin.checks.unasked import Unasked
from gadolin.checks.verdict import verdict
from gadolin.copies import find_copies
from gadolin.errors import DataError, ReadError
from gadolin.folder_walk import failures_json
from gadolin.prepare import Preparation
from gadolin.progress import Progress
from gadolin.records import NOTICE, Failure, Finding, Slice
from gadolin.sources import Scan, scan

__all__ = ["SEVERITIES", "Audit", "audit", "look_at", "subject_of"]

SEVERITIES = ("serious", "warning", "note")


@dataclass(frozen=True, slots=True, eq=False)
class Audit:
    """What was found.

    ``verdict`` is the one sentence to take home; ``findings`` are in order of severity; ``parts`` count the slices of
    each part and class by what they share with the training part. ``unasked`` says of each check that did not look why.
    ``subject`` is what the checks saw.
    """

    verdict: str
    findings: tuple[Finding, ...]
    parts: tuple[PartCount, ...]
    unasked: dict[str, str]
    subject: Subject = field(repr=False)

    @property
    def looked(self) -> tuple[str, ...]:
        """The names of the checks that looked."""
        return tuple(name for name in CHECKS if name not in self.unasked)

    def as_json(self) -> dict[str, object]:
        """Return the audit as the documented JSON object (``docs/audit.md``)."""
        subject = self.subject
        patients = {record.patient for record in subject.carried if record.patient}
        return {
            "notice": NOTICE,
            "data": str(subject.scan.root),
            "against": None if subject.against is None else str(subject.against.root),
            "verdict": self.verdict,
            "slices": subject.own,
            "different_slices": len(set(subject.copies.groups[: subject.own].tolist())),
            "classes": {name: sum(one.label == name for one in subject.mine) for name in subject.classes},
            "patients": len(patients) or None,
            "parts": [one.as_json() for one in self.parts],
            "checks": list(self.looked),
            **failures_json(subject.errors, subject.left_out),
            "not_looked": [{"check": name, "reason": reason} for name, reason in self.unasked.items()],
            "findings": [one.as_json() for one in self.findings],
        }


def audit(
    data: Path,
    against: Path | None = None,
    *,
    patient_from: str | None = None,
    cache: Path | None = None,
    beside: Beside | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Look for everything that is wrong with a data set.

    Args:
        data: A folder or manifest, as ``gadolin.sources.scan`` takes it.
        against: Another that may hold the same slices, with other labels, or with the patients.
        patient_from: Where ``data`` names patients, as ``gadolin.sources.scan`` takes it.
        cache: Folder for prepared slices; by default in the user's cache.
        beside: Predictions and a model, which some checks look at.
        progress: Called with (done, total, what).

    Raises:
        DataError: A data set is not one, none of its pictures can be read, or the predictions are of others.
        BundleError: The model cannot be read.
    """
    return look_at(subject_of(data, against, patient_from=patient_from, cache=cache, beside=beside, progress=progress))


def look_at(subject: Subject) -> Audit:
    """Return what all checks find in a subject."""
    found: list[Finding] = []
    unasked: dict[str, str] = {}
    for name, check in CHECKS.items():
        told = check(subject)
        if isinstance(told, Unasked):
            unasked[name] = told.reason
        else:
            found += told
    findings = tuple(sorted(found, key=lambda one: SEVERITIES.index(one.severity)))
    return Audit(verdict(subject, findings), findings, part_counts(subject), unasked, subject)


def subject_of(
    data: Path,
    against: Path | None = None,
    *,
    patient_from: str | None = None,
    cache: Path | None = None,
    beside: Beside | None = None,
    progress: Progress | None = None,
) -> Subject:
    """Scan, read and prepare the data sets, and find the copies among them; raises as ``audit`` does."""
    beside = beside or Beside()
    bundle = beside.bundle()
    scans = [scan(data, patient_from=patient_from, progress=progress)]
    scans += [scan(against, progress=progress)] if against is not None else []
    listed = [record for found in scans for record in found.records]
    facts: dict[int, FileFacts] = {}

    def look(row: int, image: Slice, kind: str) -> None:
        facts[row] = file_facts(listed[row].path, image, kind)

    read = readable_slices(listed, Preparation(), cache, look=look, progress=progress)
    unreadable = _unreadable(scans, read.errors)
    own = sum(row < len(scans[0].records) for row in read.rows)
    _require_readable(scans, unreadable, read.errors)
    left_out = [one for found in scans for one in _called(found.left_out, found.root, other=found is not scans[0])]
    unlisted, failed = _unlisted(data, scans[0])
    records = tuple(listed[row] for row in read.rows)
    return Subject(
        records=records,
        own=own,
        facts=tuple(facts[row] for row in read.rows),
        slices=read.prepared.slices,
        copies=find_copies(read.prepared.slices, progress=progress),
        scan=scans[0],
        against=scans[1] if against is not None else None,
        whole=read.prepared.whole,
        errors=(*(one for each in unreadable for one in each), *failed),
        left_out=tuple(left_out),
        unlisted=unlisted,
        probabilities=beside.probabilities(records[:own]),
        bundle=bundle,
    )


def _unreadable(scans: Sequence[Scan], errors: Mapping[int, ReadError]) -> list[list[Failure]]:
    """Return all that cannot be read in each of the data sets, whose records ``errors`` numbers through."""
    failed: list[list[Failure]] = []
    start = 0
    for found in scans:
        rows = range(start, start + len(found.records))
        wrong = [Failure(found.records[row - start].name, errors[row]) for row in rows if row in errors]
        failed.append(_called([*found.errors, *wrong], found.root, other=found is not scans[0]))
        start += len(found.records)
    return failed


def _unlisted(data: Path, found: Scan) -> tuple[tuple[str, ...] | None, list[Failure]]:
    """Return the pictures in a folder that its manifest does not name, None where there is none, and damaged ones."""
    if not data.is_dir() or found.kind != "manifest":
        return None, []
    pictures, failed = beneath(found)
    names = tuple(called(path, found.root) for path in pictures)
    return names, _called(failed, found.root)


def _called(failed: Sequence[Failure], root: Path, *, other: bool = False) -> list[Failure]:
    named = [replace(one, path=called(Path(one.path), root, other=other)) for one in failed]
    return sorted(named, key=lambda one: one.path)


def _require_readable(scans: Sequence[Scan], unreadable: Sequence[Sequence[Failure]], errors: Collection[int]) -> None:
    start = 0
    for found, failed in zip(scans, unreadable, strict=True):
        rows = range(start, start + len(found.records))
        start += len(found.records)
        if all(row in errors for row in rows):
            raise DataError(
                code="no_readable_slice",
                rule="a data set must hold pictures that can be read",
                got=f"{found.root} holds none",
                remedy=f"{failed[0].path}: {failed[0].reason}" if failed else "",
            )
