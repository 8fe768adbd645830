"""What is wrong with a data set, found before it fools anyone."""

from gadolin.checks.beside import Beside
from gadolin.checks.facts import FileFacts, file_facts
from gadolin.checks.registry import CHECKS, Check, Selection
from gadolin.checks.run import AuditResult, look_at, subject_of
from gadolin.checks.skipped import Skipped
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
