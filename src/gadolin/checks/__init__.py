"""Audit of a data set: checks for problems that distort training or evaluation."""

from gadolin.checks.audit import AuditResult, read_dataset, run_checks
from gadolin.checks.dataset import Dataset
from gadolin.checks.file_facts import FileFacts, file_facts
from gadolin.checks.inputs import AuditInputs
from gadolin.checks.registry import CHECKS, Check, Selection, Skipped

__all__ = [
    "CHECKS",
    "AuditInputs",
    "AuditResult",
    "Check",
    "Dataset",
    "FileFacts",
    "Selection",
    "Skipped",
    "file_facts",
    "read_dataset",
    "run_checks",
]
