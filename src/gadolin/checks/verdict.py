"""The one-sentence summary of an audit."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence

from gadolin.checks.dataset import Dataset
from gadolin.checks.wording import counted
from gadolin.records import Finding
from gadolin.splits import learned_before

__all__ = ["verdict"]


def verdict(dataset: Dataset, findings: Sequence[Finding], skipped: Container[str] = ()) -> str:
    """Return the verdict on a data set: the most important of ``findings``, which are sorted by severity.

    ``skipped`` are the names of checks that did not run on request; the verdict claims nothing that needs them.
    """
    if findings and findings[0].severity == "serious":
        return _head(findings[0])
    warnings = Counter(one.severity for one in findings)["warning"]
    rest = f"; {counted(warnings, 'warning')} below" if warnings else ""
    return f"{_without_serious(dataset, findings, skipped)}{rest}."


def _without_serious(dataset: Dataset, findings: Sequence[Finding], skipped: Container[str]) -> str:
    shared = [one for one in findings if one.kind == "shared_slices"]
    if shared:
        return _head(shared[0]).rstrip(".")
    if "test" not in dataset.parts:
        different = len(set(dataset.copies.groups[: dataset.n_records].tolist()))
        return f"{counted(dataset.n_records, 'slice')}, {different:,} of them different; no test part is defined"
    if not set(learned_before("test")).intersection(dataset.parts):
        return "There is a test part but no training part to compare it with"
    if "shared_slices" in skipped or "shared_patients" in skipped:
        return "Whether the training and test parts share slices or patients was not checked"
    unknown = sum(not record.patient for record in dataset.records_with_patients)
    if unknown:
        how_many = "the" if unknown == len(dataset.records_with_patients) else "some"
        return f"No slice of the test part is in the training part, but {how_many} patients are unknown"
    return "No slice and no patient of the test part is in the training part"


def _head(finding: Finding) -> str:
    """Return the message of a finding; for leakage, without the counts of each class."""
    if finding.kind in ("shared_slices", "shared_patients"):
        return finding.message.partition(": ")[0].rstrip(".") + "."
    return finding.message
