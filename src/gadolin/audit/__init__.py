"""What is wrong with a data set, found before it fools anyone."""

from gadolin.audit.beside import Beside
from gadolin.audit.facts import FileFacts, file_facts
from gadolin.audit.registry import CHECKS
from gadolin.audit.run import Audit, audit, look_at, subject_of
from gadolin.audit.subject import Subject

__all__ = ["CHECKS", "Audit", "Beside", "FileFacts", "Subject", "audit", "file_facts", "look_at", "subject_of"]
