"""What is wrong with a data set, found before it fools anyone."""

from gadolin.checks.audit import AuditResult, look_at, subject_of
from gadolin.checks.file_facts import FileFacts, file_facts
from gadolin.checks.inputs import Beside
from gadolin.checks.registry import CHECKS, Check, Selection, Skipped
from gadolin.checks.subject import Subject

__all__ = [
    "CHECKS",
    "AuditResult",
    "Beside",
    "Check",
    "FileFacts",
    "Selection",
    "Skipped",
    "Subject",
    "file_facts",
    "look_at",
    "subject_of",
]
