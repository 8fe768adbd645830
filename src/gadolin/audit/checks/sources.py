"""Classes that come from different places."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from gadolin.audit.subject import Subject
from gadolin.audit.words import percent
from gadolin.records import Finding

__all__ = ["check"]

_TELLING = 0.1  # of the slices: how many more are guessed right than by the most frequent class


def check(subject: Subject) -> list[Finding]:
    """Return a warning where the source column, or the size of the pictures, tells the class."""
    labels = [record.label for record in subject.mine]
    facts = subject.facts[: subject.own]
    told = [
        _telling(labels, [record.source for record in subject.mine], "source", "the source column"),
        _telling(labels, [f"{one.width} x {one.height}" for one in facts], "size", "width and height"),
    ]
    return [one for one in told if one is not None]


def _telling(labels: Sequence[str], values: Sequence[str], what: str, of: str) -> Finding | None:
    if len(set(values)) < 2:
        return None
    within: dict[str, Counter[str]] = defaultdict(Counter)
    for label, value in zip(labels, values, strict=True):
        within[value][label] += 1
    all_of = Counter(labels)
    right = 0
    for label, value in zip(labels, values, strict=True):
        others = within[value] - Counter([label])  # a slice does not help to guess itself
        right += (others or all_of).most_common(1)[0][0] == label
    usual = all_of.most_common(1)[0][1]
    if right - usual < _TELLING * len(labels):
        return None
    value, classes = max(within.items(), key=lambda item: (sum(item[1].values()), item[0]))
    counts = ", ".join(f"{name} {percent(classes[name], all_of[name])}" for name in sorted(all_of))
    return Finding(
        kind="sources",
        severity="warning",
        message=f"The {what} of a picture tells its class in {percent(right, len(labels))} of the slices, where "
        f"always answering the most frequent class is right in {percent(usual, len(labels))}; {value!r}, for one, "
        f"holds of each class: {counts}.",
        rule=f"Each slice is given the most frequent class among the others of the same {what} ({of}); told where that "
        f"is right {100 * _TELLING:.0f} points more often. The score is the share that is right.",
        remedy="Take every class from the same places, or test within one source; a network may learn the place and "
        "not the disease.",
        score=right / len(labels),
    )
