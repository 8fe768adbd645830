"""Which public release this is."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a note for each data set that is a known public release."""
    found = []
    for scan in (subject.scan, subject.against):
        if scan is not None and scan.release is not None:
            known = scan.release
            found.append(
                Finding(
                    kind="release",
                    severity="note",
                    message=f"{scan.root} is {known.name}: {known.title}.",
                    rule="The source column, or the number of slices of every part and class, is that of the release.",
                    remedy=f"Licence: {known.licence}; please cite: {known.citation}. See {known.url}.",
                )
            )
    return found
