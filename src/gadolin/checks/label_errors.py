"""Labels that are likely wrong, by what a model says of slices that it did not learn from."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted, percent
from gadolin.records import Finding

__all__ = ["check", "doubtful"]

_RULE = (
    "Confident learning (Northcutt et al., 2021; cleanlab, off the diagonal of the confident joint) on probabilities "
    "out of fold, least likely label first; each class's threshold is the mean probability of its own slices. "
    "Probabilities of slices that the model learned from hide what is wrong. The score is the number of slices."
)


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return the slices whose label is likely wrong, where predictions were given."""
    if subject.probabilities is None:
        return Skipped("no predictions were given")
    if find_spec("cleanlab") is None:
        return Skipped("cleanlab is not installed; install it with: pip install 'gadolin[audit]'")
    known = np.flatnonzero(np.isfinite(subject.probabilities).all(axis=1))
    labels = np.array([subject.classes.index(record.label) for record in subject.mine], np.int64)
    absent = [name for place, name in enumerate(subject.classes) if place not in labels[known]]
    if len(subject.classes) < 2 or absent:
        return Skipped(f"the predictions hold no slice of {', '.join(absent) or 'a second class'}")
    rows = known[doubtful(labels[known], subject.probabilities[known])]
    gaps = [] if len(known) == subject.own else [_note(f"{subject.own - len(known):,} slices have no prediction")]
    if not rows.size:
        return gaps
    return [_found(subject, rows, len(known)), *gaps]


def doubtful(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the rows whose label is likely wrong, the least likely label first.

    Args:
        labels: (N,) int64 in [0, K), every class among them.
        probabilities: (N, K) float64, rows sum to 1, each made without that row.
    """
    from cleanlab.filter import find_label_issues

    rows = find_label_issues(
        labels,
        probabilities,
        filter_by="confident_learning",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    return np.asarray(rows, np.int64)


def _found(subject: Subject, rows: NDArray[np.int64], looked_at: int) -> Finding:
    assert subject.probabilities is not None, "rows are of given probabilities"
    first = int(rows[0])
    said = int(subject.probabilities[first].argmax())
    return Finding(
        kind="label_errors",
        severity="warning",
        message=f"{len(rows):,} of {counted(looked_at, 'slice')} ({percent(len(rows), looked_at)}) likely bear a wrong "
        f"label, or are hard; first {subject.names[first]}, labelled {subject.mine[first].label}, which the model "
        f"takes for {subject.classes[said]} with {subject.probabilities[first, said]:.3f}.",
        rule=_RULE,
        remedy="Look at them in this order, with an expert; correct or drop those that are wrong, and never in the "
        "test part alone.",
        members=tuple(subject.named([int(row)]) for row in rows),
        score=float(len(rows)),
    )


def _note(why: str) -> Finding:
    return Finding(
        kind="label_errors",
        severity="note",
        message=f"Likely label errors were not looked for everywhere: {why}.",
        rule=_RULE,
        remedy="Give predictions out of fold of every slice, as gadolin crossval writes them.",
    )
