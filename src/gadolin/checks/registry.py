"""The checks of an audit: one line each, in the order in which findings of equal severity are listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.errors import RequestError, suggestion
from gadolin.records import Finding
from gadolin.registry import Registry

__all__ = ["CHECKS", "Check", "Selection"]

Check = Callable[[Subject], list[Finding] | Skipped]
"""From a data set to what is wrong with it, or to the reason why the check does not apply to it."""


def _unknown(name: str, known: tuple[str, ...]) -> RequestError:
    return _unknown_names([name], known)


def _unknown_names(names: Sequence[str], known: tuple[str, ...]) -> RequestError:
    return RequestError(
        code="check_unknown",
        rule=f"a check must be one of {', '.join(known)}",
        got=f"got {' and '.join(f'{name!r}{suggestion(name, known)}' for name in names)}",
    )


CHECKS: Registry[Check] = Registry("gadolin.checks", "a function from a data set to findings", callable, _unknown)
"""Every check by its name, which is that of its file and of its findings' kind."""

CHECKS.built_in |= {
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


@dataclass(frozen=True, slots=True)
class Selection:
    """Which checks an audit runs: all, or those of ``only``, without those of ``skip``.

    Raises RequestError for a name that no check has and where nothing is left, PluginError where ``only`` has a
    plug-in that cannot be used.
    """

    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse unknown names."""
        if not self.only and not self.skip:
            return
        known = {one.name for one in CHECKS.entries()}
        unknown = [name for name in dict.fromkeys((*self.only, *self.skip)) if name not in known]
        if unknown:
            raise _unknown_names(unknown, CHECKS.names())
        for name in self.only:
            CHECKS.get(name)
        if not any(self.reason(name) is None for name in CHECKS):
            raise RequestError(
                code="no_check_left",
                rule="an audit needs one check or more",
                got="every one is skipped",
                remedy="skip fewer",
            )

    def reason(self, name: str) -> str | None:
        """Return why a check is not run, as a clause, or None where it is."""
        if name in self.skip:
            return "it was skipped on request"
        return "only other checks were requested" if self.only and name not in self.only else None
