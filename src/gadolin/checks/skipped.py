"""What a check returns that does not apply to a data set."""

from __future__ import annotations

from dataclasses import dataclass

from gadolin.checks.subject import Subject
from gadolin.splits import learned_before

__all__ = ["Skipped", "no_sides"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Why a check did not look: ``reason`` is a clause, such as "no model was given"."""

    reason: str


def no_sides(subject: Subject) -> str:
    """Return why nothing can stand on both sides of a split, as a clause; empty where it can."""
    if len({record.fold for record in subject.mine} - {None}) > 1:
        return ""
    if any(set(learned_before(part)).intersection(subject.parts) for part in subject.parts):
        return ""
    return "there is no second part to compare with" if subject.parts else "no parts and no folds are named"
