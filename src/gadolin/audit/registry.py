"""The checks of an audit: one line each."""

from __future__ import annotations

from collections.abc import Callable

from gadolin.audit.checks import (
    byte_identical,
)
from gadolin.audit.subject import Subject
from gadolin.records import Finding

__all__ = ["CHECKS", "Check"]

Check = Callable[[Subject], list[Finding]]

CHECKS: dict[str, Check] = {
    "byte_identical": byte_identical.check,
}
"""Every check by its name, which is that of its file and, unless the check says otherwise, of its findings' kind."""
