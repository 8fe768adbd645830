"""The audit of a data set: its findings and their HTML page."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path

from gadolin.checks.audit import SEVERITIES, AuditResult

__all__ = ["Audit"]


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Audit(AuditResult):
    """Result of the checks on a data set, which can be written as an HTML page.

    ``verdict`` is a summary in one sentence; ``findings`` are the findings, the gravest first; ``parts`` the numbers of
    slices of each part and class by what they share with the training part; ``looked`` the names of the checks that
    ran; ``skipped`` maps the others to the reason; ``command`` is the command that mends the division of the data, or
    "".
    """

    def write_html(self, path: Path | str) -> None:
        """Write the audit as one self-contained HTML page, with the pictures of each finding.

        Raises MissingExtraError where the extra ``report`` is not installed, OutputError where it cannot be written.
        """
        from gadolin.reports.audit_page import write_audit_page

        write_audit_page(Path(path), self)

    def __repr__(self) -> str:
        """Return the data path, the verdict and the number of findings by severity."""
        counts = Counter(one.severity for one in self.findings)
        shown = ", ".join(f"{counts[name]} {name}" for name in SEVERITIES)
        return f"Audit({str(self.dataset.scan.root)!r}: {self.verdict} Findings: {shown})"

    def _repr_html_(self) -> str:
        """Return the findings as a table, for notebooks."""
        head = "".join(f"<th>{name}</th>" for name in ("severity", "check", "finding", "remedy"))
        cells = [(one.severity, one.kind, one.message, one.remedy) for one in self.findings]
        rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in cells)
        return f"<p><b>{escape(self.verdict)}</b></p><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
