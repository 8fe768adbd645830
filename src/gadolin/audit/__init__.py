"""What is wrong with a data set, found before it fools anyone."""

from gadolin.audit.facts import FileFacts, file_facts
from gadolin.audit.subject import Subject

__all__ = ["FileFacts", "Subject", "file_facts"]
