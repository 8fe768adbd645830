"""Files that are the same byte for byte."""

from __future__ import annotations

from gadolin.audit.subject import Subject
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the groups of files that are one file under several names."""
    groups: dict[str, list[int]] = {}
    for row, record in enumerate(subject.mine):
        groups.setdefault(record.key, []).append(row)
    repeated = [rows for key, rows in groups.items() if key and len(rows) > 1]
    if not repeated:
        return []
    extra = sum(len(rows) - 1 for rows in repeated)
    return [
        Finding(
            kind="byte_identical",
            severity="warning",
            message=f"{extra:,} of {subject.own:,} slices only repeat another file byte for byte, "
            f"in {len(repeated):,} groups.",
            rule="Files with the same SHA-256 digest are one file; the score is the number of needless files.",
            remedy="Keep one file of each group; where they stand in different parts, keep the one in training.",
            members=tuple(subject.named(rows) for rows in repeated),
            score=float(extra),
        )
    ]
