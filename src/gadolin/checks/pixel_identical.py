"""Files that differ and show the same picture, pixel for pixel."""

from __future__ import annotations

from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.records import Finding

__all__ = ["check"]


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the groups of pictures that were only saved again."""
    groups: dict[str, list[int]] = {}
    for row, facts in enumerate(subject.facts[: subject.own]):
        groups.setdefault(facts.pixels, []).append(row)
    records = subject.records
    repeated = [rows for rows in groups.values() if len({records[row].key or records[row].name for row in rows}) > 1]
    if not repeated:
        return []
    return [
        Finding(
            kind="pixel_identical",
            severity="warning",
            message=f"{counted(sum(map(len, repeated)), 'slice')} in {counted(len(repeated), 'group')} are the same "
            "picture pixel for pixel, in files that differ.",
            rule="The decoded pictures have the same size and values; the score is the number of groups. Files that "
            "are the same byte for byte are told apart from these.",
            remedy="Keep one file of each group.",
            members=tuple(subject.named(rows) for rows in repeated),
            score=float(len(repeated)),
        )
    ]
