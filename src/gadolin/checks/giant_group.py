"""One group of copies that is a large part of a class."""

from __future__ import annotations

from collections import Counter

from gadolin.checks.subject import Subject
from gadolin.checks.words import counted, percent
from gadolin.records import Finding

__all__ = ["check"]

_SHARE = 0.2
_FEWEST = 5


def check(subject: Subject) -> list[Finding]:
    """Return a warning for each set of connected copies that holds more than a fifth of a class."""
    whole = Counter(record.label for record in subject.mine)
    found = []
    for rows in subject.connected:
        own = [row for row in rows if row < subject.own]
        for label, count in sorted(Counter(subject.records[row].label for row in own).items()):
            if count >= _FEWEST and count > _SHARE * whole[label]:
                share = percent(count, whole[label])
                found.append(
                    _finding(
                        f"{counted(count, 'slice')} of {label} ({share})", subject.named(own), count / whole[label]
                    )
                )
    return found


def _finding(what: str, members: tuple[str, ...], share: float) -> Finding:
    return Finding(
        kind="giant_group",
        severity="warning",
        message=f"One group of copies holds {what}.",
        rule=f"Slices that are copies of one another, directly or through others, are {_FEWEST} or more and over "
        f"{100 * _SHARE:.0f} % of a class; the score is their share of it.",
        remedy="The whole group must stay on one side of a split, which may leave too little for the other; drop all "
        "but one of its slices, or check whether they are neighbouring slices of one patient.",
        members=(members,),
        score=share,
    )
