"""Run the checks of an audit on a data set, optionally compared with a second one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gadolin.checks.dataset import Dataset, display_name
from gadolin.checks.file_facts import FileFacts, file_facts
from gadolin.checks.files import find_unlisted
from gadolin.checks.inputs import AuditInputs
from gadolin.checks.mend import mending_command
from gadolin.checks.part_counts import PartCount, part_counts
from gadolin.checks.registry import CHECKS, Check, Selection, Skipped
from gadolin.checks.verdict import verdict
from gadolin.datasets import Scan, scan
from gadolin.duplicates import find_copies
from gadolin.errors import DataError, ReadError
from gadolin.files.folder_walk import failures_json
from gadolin.preprocessing.cache import readable_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.progress import Progress
from gadolin.records import JSON_FORMAT, NOTICE, Failure, Finding, Slice

__all__ = ["SEVERITIES", "AuditResult", "read_dataset", "run_checks"]

SEVERITIES = ("serious", "warning", "note")


@dataclass(frozen=True, slots=True, eq=False)
class AuditResult:
    """Result of an audit.

    ``verdict`` is a one-sentence summary; ``findings`` are sorted by severity; ``parts`` count the slices of each
    part and class by what they share with the training part. ``looked`` are the names of the checks that ran,
    ``skipped`` maps the others to a reason. ``dataset`` is the input of the checks.
    """

    verdict: str
    findings: tuple[Finding, ...]
    parts: tuple[PartCount, ...]
    looked: tuple[str, ...]
    skipped: dict[str, str]
    dataset: Dataset = field(repr=False)

    @property
    def command(self) -> str:
        """The command that mends the division of the data, or "" if no other division would help."""
        return mending_command(self.dataset, self.findings)

    def as_json(self) -> dict[str, object]:
        """Return the audit as the documented JSON object (``docs/reference/json.md``)."""
        dataset = self.dataset
        patients = {record.patient for record in dataset.records_with_patients if record.patient}
        return {
            "format": JSON_FORMAT,
            "notice": NOTICE,
            "data": str(dataset.scan.root),
            "against": None if dataset.against is None else str(dataset.against.root),
            "verdict": self.verdict,
            "slices": dataset.n_records,
            "different_slices": len(set(dataset.copies.groups[: dataset.n_records].tolist())),
            "classes": {name: sum(one.label == name for one in dataset.records) for name in dataset.classes},
            "patients": len(patients) or None,
            "parts": [one.as_json() for one in self.parts],
            "checks": list(self.looked),
            **failures_json(dataset.errors, dataset.left_out),
            "not_looked": [{"check": name, "reason": reason} for name, reason in self.skipped.items()],
            "findings": [one.as_json() for one in self.findings],
            "command": self.command or None,
        }


def run_checks(dataset: Dataset, selection: Selection | None = None) -> AuditResult:
    """Run all checks, or those of ``selection``, and return their findings.

    A plug-in that cannot be loaded or raises is listed in ``AuditResult.skipped``; the other checks run.
    """
    selection = selection or Selection()
    found: list[Finding] = []
    looked: list[str] = []
    skipped: dict[str, str] = {}
    for entry in CHECKS.entries():
        name, reason = entry.name, selection.reason(entry.name)
        if name in looked or name in skipped:  # a plug-in rejected because its name is taken
            continue
        if reason is None and entry.error is not None:
            reason = entry.error.reason
        result = Skipped(reason) if reason is not None else _run(name, CHECKS.get(name), dataset)
        if isinstance(result, Skipped):
            skipped[name] = result.reason
        else:
            looked.append(name)
            found += result
    findings = tuple(sorted(found, key=lambda one: SEVERITIES.index(one.severity)))
    by_request = {name for name in skipped if selection.reason(name) is not None}
    summary = verdict(dataset, findings, by_request)
    return AuditResult(summary, findings, part_counts(dataset), tuple(looked), skipped, dataset)


def _run(name: str, check: Check, dataset: Dataset) -> list[Finding] | Skipped:
    """Run a check; a plug-in that raises, or returns anything but findings, counts as skipped."""
    if name in CHECKS.built_in:
        return check(dataset)
    failed = f"the plug-in of {CHECKS.provider(name)} failed"
    try:
        result = check(dataset)
    except Exception as error:  # noqa: BLE001 -- a plug-in may raise anything; the other checks still run
        return Skipped(f"{failed}: {type(error).__name__}: {' '.join(str(error).split())[:300]}")
    if isinstance(result, Skipped):
        return result
    if not isinstance(result, list | tuple) or not all(isinstance(one, Finding) for one in result):
        return Skipped(f"{failed}: it must return a list of gadolin.records.Finding, or gadolin.checks.Skipped")
    wrong = sorted({one.severity for one in result} - {*SEVERITIES})
    if wrong:
        return Skipped(f"{failed}: a severity must be one of {', '.join(SEVERITIES)}, not {wrong[0]!r}")
    return [replace(one, kind=name) for one in result]


def read_dataset(
    data: Scan | Path | str,
    against: Scan | Path | str | None = None,
    *,
    cache: Path | None = None,
    inputs: AuditInputs | None = None,
    progress: Progress | None = None,
) -> Dataset:
    """Scan, read and prepare the data sets, and find their copies.

    ``inputs`` holds predictions and a model, which some checks use. Raises DataError where a path is not a data set, no
    picture can be read, or the predictions belong to other slices; BundleError where the model cannot be read.
    """
    inputs = inputs or AuditInputs()
    bundle = inputs.bundle()
    scans = [scan(data, progress=progress)]
    scans += [scan(against, progress=progress)] if against is not None else []
    listed = [record for found in scans for record in found.records]
    facts: dict[int, FileFacts] = {}

    def look(row: int, image: Slice, kind: str) -> None:
        facts[row] = file_facts(listed[row].path, image, kind)

    read = readable_slices(listed, Preparation(), cache, look=look, progress=progress)
    unreadable = _unreadable(scans, read.errors)
    own = sum(row < len(scans[0].records) for row in read.rows)
    _require_readable(scans, unreadable, read.errors)
    left_out = [
        one for found in scans for one in _with_display_names(found.left_out, found.root, other=found is not scans[0])
    ]
    unlisted, failed = _unlisted(scans[0], whole_folder=isinstance(data, Path | str) and Path(data).is_dir())
    records = tuple(listed[row] for row in read.rows)
    return Dataset(
        all_records=records,
        n_records=own,
        facts=tuple(facts[row] for row in read.rows),
        slices=read.prepared.slices,
        copies=find_copies(read.prepared.slices, progress=progress),
        scan=scans[0],
        against=scans[1] if against is not None else None,
        without_head=read.prepared.whole,
        errors=(*(one for each in unreadable for one in each), *failed),
        left_out=tuple(left_out),
        unlisted=unlisted,
        probabilities=inputs.probabilities(records[:own]),
        bundle=bundle,
    )


def _unreadable(scans: Sequence[Scan], errors: Mapping[int, ReadError]) -> list[list[Failure]]:
    """Return the unreadable files of each data set; ``errors`` numbers the records of all data sets consecutively."""
    failed: list[list[Failure]] = []
    start = 0
    for found in scans:
        rows = range(start, start + len(found.records))
        wrong = [Failure(found.records[row - start].name, errors[row]) for row in rows if row in errors]
        failed.append(_with_display_names([*found.errors, *wrong], found.root, other=found is not scans[0]))
        start += len(found.records)
    return failed


def _unlisted(found: Scan, *, whole_folder: bool) -> tuple[tuple[str, ...] | None, list[Failure]]:
    """Return the pictures that a folder's manifest does not list, None without a manifest, and the damaged ones."""
    if not whole_folder or found.kind != "manifest":
        return None, []
    pictures, failed = find_unlisted(found)
    names = tuple(display_name(path, found.root) for path in pictures)
    return names, _with_display_names(failed, found.root)


def _with_display_names(failed: Sequence[Failure], root: Path, *, other: bool = False) -> list[Failure]:
    named = [replace(one, path=display_name(Path(one.path), root, other=other)) for one in failed]
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
