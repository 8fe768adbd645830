"""Reports: figures and self-contained HTML pages, written for clinicians and students."""

from __future__ import annotations

from gadolin.reports.context import Mistake, ReportContext, worst_mistakes
from gadolin.reports.page import write_report

__all__ = ["Mistake", "ReportContext", "worst_mistakes", "write_report"]
