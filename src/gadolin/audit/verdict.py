"""The one sentence that a reader of an audit takes home."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from gadolin.audit.subject import Subject
from gadolin.audit.words import counted, percent
from gadolin.records import Finding

__all__ = ["verdict"]


def verdict(subject: Subject, findings: Sequence[Finding]) -> str:
    """Return the verdict on a data set: what matters most of ``findings``, in order of severity."""
    serious = [one for one in findings if one.severity == "serious"]
    for one in serious:
        if one.kind in ("too_few", "vanishing_class"):
            return one.message
        if one.kind == "shared_slices" and "test" in subject.parts:
            return _shared(subject, "slices", one)
        if one.kind == "shared_patients" and "test" in subject.parts:
            return _shared(subject, "patients", one)
    if serious:
        return serious[0].message
    severities = Counter(one.severity for one in findings)
    rest = f"; {counted(severities['warning'], 'warning')} below" if severities["warning"] else ""
    if "test" in subject.parts:
        unknown = sum(not record.patient for record in subject.carried)
        if unknown:
            return f"No slice of the test part is in the training part, but patients are not known{rest}."
        return f"No slice and no patient of the test part is in the training part{rest}."
    different = len(set(subject.copies.groups[: subject.own].tolist()))
    return f"{counted(subject.own, 'slice')} show {different:,} different ones; no test part is named{rest}."


def _shared(subject: Subject, what: str, finding: Finding) -> str:
    whole = sum(record.split == "test" for record in subject.mine)
    count = round((finding.score or 0) * whole)
    if what == "slices":
        return (
            f"{percent(count, whole)} of your test part is in your training part ({count:,} of "
            f"{counted(whole, 'slice')}); accuracy on it means little."
        )
    share = round(100 * (finding.score or 0))
    return (
        f"{share} % of your test slices whose patient is known are of patients who are in your training part too; "
        "accuracy on them says nothing of new patients."
    )
