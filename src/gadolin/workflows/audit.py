"""``audit``: find what is wrong with a data set."""

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
    """Look for everything that is wrong with a data set; nothing is changed.

    Args:
        data: What ``scan`` returned, or a folder or manifest.
        against: Another data set that may have the same slices, with other labels, or with the patients.
        only: Names of the checks to run; all where it is empty.
        skip: Names of checks not to run.
        cache: Folder for prepared slices; by default in the user's cache.
        predictions: A table of out-of-fold predictions of these slices, by which labels are judged.
        model: A run folder or bundle, with whose training data this data is compared.
        progress: Called with (done, total, what).

    Raises:
        RequestError: A check is unknown.
        DataError: A data set is not one, none of its pictures can be read, or the predictions are of others.
        BundleError: The model cannot be read.
    """
    selection = Selection(only=tuple(only), skip=tuple(skip))
    beside = AuditInputs(predictions, None if model is None else Path(model))
    dataset = read_dataset(data, against, cache=cache, beside=beside, progress=progress)
    result = run_checks(dataset, selection)
    return Audit(**{field.name: getattr(result, field.name) for field in fields(result)})
