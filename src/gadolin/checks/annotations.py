"""Labels that contradict each other or are likely wrong, and outlines that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.dataset import Dataset
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted, flagged, percent
from gadolin.duplicates.components import Components
from gadolin.preprocessing.outlines import Outlines
from gadolin.preprocessing.views import head_mask, shrunk
from gadolin.records import Finding
from gadolin.splits import conflicts_against, conflicts_within

__all__ = ["bad_outlines", "label_conflicts", "label_errors", "likely_label_errors"]


def label_conflicts(dataset: Dataset) -> list[Finding]:
    """Return a serious finding for copies under two labels: within the data set, and against the other one."""
    return [*_within(dataset), *_against(dataset)]


def _within(dataset: Dataset) -> list[Finding]:
    found = conflicts_within(dataset.all_records, dataset.n_records, dataset.copies)
    sets = Components(dataset.n_records)
    for row, copies in found.items():
        for copy in copies:
            sets.join(row, copy)
    torn = sets.sets(found)
    if not torn:
        return []
    return [
        Finding(
            kind="label_conflicts",
            severity="serious",
            message=f"{counted(len(torn), 'slice')} {'stands' if len(torn) == 1 else 'stand'} under two labels or "
            "more, in copies of one another.",
            rule="Copies of one slice, mirrored or not, bear one label; the score is the number of groups of copies "
            "that bear several.",
            remedy="Ask a reader which label is right, or leave the whole group out: at least one is wrong.",
            members=tuple(dataset.names_of(rows) for rows in torn),
            score=float(len(torn)),
        )
    ]


def _against(dataset: Dataset) -> list[Finding]:
    found = conflicts_against(dataset.all_records, dataset.n_records, dataset.copies)
    torn = [[row, *copies] for row, copies in found.items()]
    if not torn:
        return []
    first = torn[0]
    said = f"{dataset.names[first[0]]} is {dataset.all_records[first[0]].label} here"
    return [
        Finding(
            kind="label_conflicts",
            severity="serious",
            message=f"{counted(len(torn), 'label')} {'is' if len(torn) == 1 else 'are'} contradicted by the other data "
            f"set, which shows the same slices: {said} and {dataset.all_records[first[1]].label} there.",
            rule="Copies of one slice in two data sets bear one label, where both know it; the score is the number of "
            "slices whose label is contradicted.",
            remedy="Believe the data set that is nearer to the patients; correct these labels or leave the slices out.",
            members=tuple(dataset.names_of(rows) for rows in torn),
            score=float(len(torn)),
        )
    ]


_RULE = (
    "Confident learning (Northcutt et al., 2021; cleanlab, off the diagonal of the confident joint) on probabilities "
    "out of fold, least likely label first; each class's threshold is the mean probability of its own slices. "
    "Probabilities of slices that the model learned from hide what is wrong. The score is the number of slices."
)


def label_errors(dataset: Dataset) -> list[Finding] | Skipped:
    """Return the slices whose label is likely wrong, where predictions were given."""
    if dataset.probabilities is None:
        return Skipped("no predictions were given")
    if find_spec("cleanlab") is None:
        return Skipped("cleanlab is not installed; install it with: pip install 'gadolin[audit]'")
    known = np.flatnonzero(np.isfinite(dataset.probabilities).all(axis=1))
    labels = np.array([dataset.classes.index(record.label) for record in dataset.records], np.int64)
    absent = [name for place, name in enumerate(dataset.classes) if place not in labels[known]]
    if len(dataset.classes) < 2 or absent:
        return Skipped(f"the predictions hold no slice of {', '.join(absent) or 'a second class'}")
    rows = known[likely_label_errors(labels[known], dataset.probabilities[known])]
    gaps = (
        []
        if len(known) == dataset.n_records
        else [_note(f"{dataset.n_records - len(known):,} slices have no prediction")]
    )
    if not rows.size:
        return gaps
    return [_found(dataset, rows, len(known)), *gaps]


def likely_label_errors(labels: NDArray[np.int64], probabilities: NDArray[np.float64]) -> NDArray[np.int64]:
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


def _found(dataset: Dataset, rows: NDArray[np.int64], looked_at: int) -> Finding:
    assert dataset.probabilities is not None, "rows are of given probabilities"
    first = int(rows[0])
    said = int(dataset.probabilities[first].argmax())
    return Finding(
        kind="label_errors",
        severity="warning",
        message=f"{len(rows):,} of {counted(looked_at, 'slice')} ({percent(len(rows), looked_at)}) likely bear a wrong "
        f"label, or are hard; first {dataset.names[first]}, labelled {dataset.records[first].label}, which the model "
        f"takes for {dataset.classes[said]} with {dataset.probabilities[first, said]:.3f}.",
        rule=_RULE,
        remedy="Look at them in this order, with an expert; correct or drop those that are wrong, and never in the "
        "test part alone.",
        members=tuple(dataset.names_of([int(row)]) for row in rows),
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


_MOST = 0.5  # of the head, and of what lies around it
_INSIDE = 127  # of 255: a place more than half of which is outlined


def bad_outlines(dataset: Dataset) -> list[Finding] | Skipped:
    """Return warnings with the outlines that are unusable, mark nothing or most of the head, and a note of cut ones."""
    outlines = dataset.outlines
    if outlines is None:
        return Skipped("the data lists no outlines")
    around, over = _too_large(dataset, outlines)
    return [
        *_unusable(dataset, outlines),
        *flagged(
            dataset,
            around,
            _finding(
                "have an outline that marks what lies around the head: it is inverted, or its background is not 0.",
                f"More than {100 * _MOST:.0f} % of the prepared slice outside of the head, and of the head, is marked",
                "Look at them; turn the masks over, or set their background to 0.",
            ),
        ),
        *flagged(
            dataset,
            over,
            _finding(
                f"have an outline that covers over {100 * _MOST:.0f} % of the head, as no lesion does.",
                f"More than {100 * _MOST:.0f} % of the head in the prepared slice is marked",
                "Look at them: a mask of the brain or of its tissues is no outline; take the lesion's label alone.",
            ),
        ),
        *flagged(
            dataset,
            list(_empty(dataset, outlines.empty)),
            _finding(
                "have an outline that marks nothing.",
                "No pixel of the mask is marked, nor any other in its file",
                'Look at them; where there is no lesion, write "none" in the column outline, else draw them again.',
            ),
        ),
        *flagged(
            dataset,
            list(outlines.cut),
            _finding(
                "have an outline of many grey levels, which was cut at half of its maximum.",
                "The file of the mask is a JPEG, or holds more than a few whole numbers, as smoothed masks do",
                "See whether the masks fit; save them as PNG, 0 where there is no lesion.",
                severity="note",
            ),
        ),
    ]


def _finding(message: str, rule: str, remedy: str, *, severity: str = "warning") -> Finding:
    return Finding(
        kind="bad_outlines",
        severity=severity,
        message=message,
        rule=f"{rule}; the score is the number of slices.",
        remedy=remedy,
    )


def _too_large(dataset: Dataset, outlines: Outlines) -> tuple[list[int], list[int]]:
    """Return the rows whose outline marks the background as well, and those of others that it mostly covers."""
    rows = [row for row in np.flatnonzero(outlines.known).tolist() if outlines.coverage[row].any()]
    around: list[int] = []
    over: list[int] = []
    for row, small in zip(rows, shrunk(dataset.slices, rows), strict=True):
        head, marked = head_mask(small), outlines.coverage[row] > _INSIDE
        if not head.any() or marked[head].mean() <= _MOST:
            continue
        outside = marked[~head]
        (around if outside.size and outside.mean() > _MOST else over).append(row)
    return around, over


def _empty(dataset: Dataset, empty: tuple[int, ...]) -> Iterable[int]:
    """Yield the rows whose outline is empty, but not where other slices of a volume are marked in the same file."""
    without = set(empty)
    marked = {record.outline for row, record in enumerate(dataset.records) if row not in without}
    return (row for row in empty if dataset.records[row].outline not in marked)


def _unusable(dataset: Dataset, outlines: Outlines) -> list[Finding]:
    if not outlines.failed:
        return []
    first = next(iter(outlines.failed.values()))
    template = _finding(
        f"have an outline that cannot be used; {first.path}: {first.statement}.",
        "Every outline is read once and must have the size of its slice",
        "Draw them again on the grid of the slice, or remove them from the manifest; training on outlines ends there.",
    )
    return flagged(dataset, list(outlines.failed), template)
