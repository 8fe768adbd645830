"""The command that mends what an audit found, as far as another division of the data does."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from gadolin.checks.dataset import Dataset
from gadolin.records import Finding

__all__ = ["mending_command"]

_DIVIDED = {"shared_slices", "shared_patients", "vanishing_class"}  # wrong parts or folds
_DROPPED = {"label_conflicts", "unreadable"}  # slices that a split leaves out
_REPEATED = {"byte_identical", "pixel_identical"}


def mending_command(dataset: Dataset, findings: Sequence[Finding]) -> str:
    """Return the ``gadolin split`` that writes a manifest without leakage or missing classes, or "" if none is needed.

    It keeps the number of folds and the source of patient IDs, and drops copies with two labels and unreadable files.
    Repeated files stay, in one part, unless nothing else is to be mended: then it keeps one file of each slice.
    """
    kinds = {one.kind for one in findings}
    if not kinds & (_DIVIDED | _DROPPED | _REPEATED) or len(dataset.classes) < 2:
        return ""
    words = ["gadolin", "split", str(dataset.scan.root)]
    if dataset.against is not None:
        words += ["--against", str(dataset.against.root)]
    folds = {record.fold for record in dataset.records} - {None}
    if len(folds) > 1 and not dataset.parts:
        words += ["--folds", str(len(folds))]
    if not all(record.patient for record in dataset.records_with_patients):
        words += ["--by", "copies"]
    if not kinds & (_DIVIDED | _DROPPED):
        words.append("--one-each")
    words += ["--out", f"{dataset.scan.name}-split.csv"]
    if dataset.scan.patient_from is not None:
        words += ["--patient-from", dataset.scan.patient_from]
    return shlex.join(words)
