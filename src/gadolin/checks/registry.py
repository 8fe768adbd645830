"""The checks of an audit: name and function, in the order in which findings of equal severity are listed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gadolin.checks.dataset import Dataset
from gadolin.errors import RequestError, suggestion
from gadolin.records import Finding
from gadolin.registry import Registry

__all__ = ["CHECKS", "Check", "Selection", "Skipped"]


@dataclass(frozen=True, slots=True)
class Skipped:
    """Result of a check that did not run; ``reason`` is a clause, such as "no model was given"."""

    reason: str


Check = Callable[[Dataset], list[Finding] | Skipped]
"""Function from a data set to its findings, or to the reason why the check does not apply."""


def _unknown(name: str, known: tuple[str, ...]) -> RequestError:
    return _unknown_names([name], known)


def _unknown_names(names: Sequence[str], known: tuple[str, ...]) -> RequestError:
    return RequestError(
        code="check_unknown",
        rule=f"a check must be one of {', '.join(known)}",
        got=f"got {' and '.join(f'{name!r}{suggestion(name, known)}' for name in names)}",
    )


_HERE = "gadolin.checks"
CHECKS: Registry[Check] = Registry("gadolin.checks", "a function from a data set to findings", callable, _unknown)
"""Every check by name, which is also that of its function and the ``kind`` of its findings. Imported on first use."""

CHECKS.built_in |= {
    "too_few": f"{_HERE}.classes:too_few",
    "shared_slices": f"{_HERE}.leakage:shared_slices",
    "shared_patients": f"{_HERE}.leakage:shared_patients",
    "label_conflicts": f"{_HERE}.annotations:label_conflicts",
    "vanishing_class": f"{_HERE}.classes:vanishing_class",
    "near_copies": f"{_HERE}.duplicates:near_copies",
    "pixel_identical": f"{_HERE}.duplicates:pixel_identical",
    "byte_identical": f"{_HERE}.duplicates:byte_identical",
    "giant_group": f"{_HERE}.duplicates:giant_group",
    "patient_labels": f"{_HERE}.patients:patient_labels",
    "patient_conflicts": f"{_HERE}.patients:patient_conflicts",
    "half_patients": f"{_HERE}.patients:half_patients",
    "mixed": f"{_HERE}.sources:mixed",
    "sources": f"{_HERE}.sources:sources",
    "balance": f"{_HERE}.classes:balance",
    "shortcuts": f"{_HERE}.shortcuts:shortcuts",
    "plane": f"{_HERE}.shortcuts:plane",
    "label_errors": f"{_HERE}.annotations:label_errors",
    "drift": f"{_HERE}.drift:drift",
    "unreadable": f"{_HERE}.files:unreadable",
    "unlisted": f"{_HERE}.files:unlisted",
    "blank": f"{_HERE}.images:blank",
    "clipped": f"{_HERE}.images:clipped",
    "inverted": f"{_HERE}.images:inverted",
    "coloured": f"{_HERE}.images:coloured",
    "tiny": f"{_HERE}.images:tiny",
    "bad_outlines": f"{_HERE}.annotations:bad_outlines",
    "release": f"{_HERE}.sources:release",
}


@dataclass(frozen=True, slots=True)
class Selection:
    """Which checks an audit runs: all, or those of ``only``, without those of ``skip``.

    Raises RequestError for an unknown name and where no check is left, PluginError where ``only`` has a plug-in that
    cannot be used.
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
                rule="an audit needs at least one check",
                got="all are skipped",
                remedy="skip fewer",
            )

    def reason(self, name: str) -> str | None:
        """Return why a check does not run, as a clause, or None if it runs."""
        if name in self.skip:
            return "it was skipped on request"
        return "only other checks were requested" if self.only and name not in self.only else None
