"""``audit``: find leakage, label conflicts and other faults in a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from gadolin.checks import AuditInputs, read_dataset, run_checks
from gadolin.checks.registry import Selection
from gadolin.datasets import Scan
from gadolin.progress import Progress
from gadolin.reports.audit import Audit

__all__ = ["audit"]


def audit(
    data: Scan | Path | str,
    against: Scan | Path | str | None = None,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    cache: Path | None = None,
    predictions: Path | None = None,
    model: Path | str | None = None,
    progress: Progress | None = None,
) -> Audit:
    """Check a data set for faults; nothing is changed.

    Args:
        data: The result of ``scan``, a folder or a manifest.
        against: Another data set with slices in common; its labels and patients are compared.
        only: Names of the checks to run; empty for all.
        skip: Names of checks not to run.
        cache: Folder for prepared slices; by default in the user's cache.
        predictions: A table of out-of-fold predictions of these slices, to find label errors.
        model: A run folder or bundle; the data is compared with its training data.
        progress: Called with (done, total, what).

    Raises:
        RequestError: A check is unknown.
        DataError: A data set is invalid, none of its images can be read, or the predictions are of other slices.
        BundleError: The model cannot be read.
    """
    selection = Selection(only=tuple(only), skip=tuple(skip))
    inputs = AuditInputs(predictions, None if model is None else Path(model))
    dataset = read_dataset(data, against, cache=cache, inputs=inputs, progress=progress)
    result = run_checks(dataset, selection)
    return Audit(**{field.name: getattr(result, field.name) for field in fields(result)})
