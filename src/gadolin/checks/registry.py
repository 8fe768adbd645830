"""The checks of an audit: one line each, in the order in which equals are told."""

from __future__ import annotations

from collections.abc import Callable

from gadolin.checks import (
    bad_outlines,
    balance,
    blank,
    byte_identical,
    clipped,
    coloured,
    drift,
    giant_group,
    half_patients,
    inverted,
    label_conflicts,
    label_errors,
    mixed,
    near_copies,
    patient_conflicts,
    patient_labels,
    pixel_identical,
    plane,
    release,
    shared_patients,
    shared_slices,
    shortcuts,
    sources,
    tiny,
    too_few,
    unlisted,
    unreadable,
    vanishing_class,
)
from gadolin.checks.subject import Subject
from gadolin.checks.unasked import Unasked
from gadolin.records import Finding

__all__ = ["CHECKS", "Check"]

Check = Callable[[Subject], list[Finding] | Unasked]

CHECKS: dict[str, Check] = {
    "too_few": too_few.check,
    "shared_slices": shared_slices.check,
    "shared_patients": shared_patients.check,
    "label_conflicts": label_conflicts.check,
    "vanishing_class": vanishing_class.check,
    "near_copies": near_copies.check,
    "pixel_identical": pixel_identical.check,
    "byte_identical": byte_identical.check,
    "giant_group": giant_group.check,
    "patient_labels": patient_labels.check,
    "patient_conflicts": patient_conflicts.check,
    "half_patients": half_patients.check,
    "mixed": mixed.check,
    "sources": sources.check,
    "balance": balance.check,
    "shortcuts": shortcuts.check,
    "plane": plane.check,
    "label_errors": label_errors.check,
    "drift": drift.check,
    "unreadable": unreadable.check,
    "unlisted": unlisted.check,
    "blank": blank.check,
    "clipped": clipped.check,
    "inverted": inverted.check,
    "coloured": coloured.check,
    "tiny": tiny.check,
    "bad_outlines": bad_outlines.check,
    "release": release.check,
}
"""Every check by its name, which is that of its file and of its findings' kind."""
