"""Checks of annotations: conflicting labels, likely label errors, unusable outlines."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.dataset import Dataset
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted, flagged, percent
from gadolin.datasets.labels import class_name
from gadolin.duplicates.components import Components
from gadolin.preprocessing.outlines import Outlines
from gadolin.preprocessing.views import head_mask, shrunk
from gadolin.records import Finding
from gadolin.splits import conflicts_against, conflicts_within

__all__ = ["bad_outlines", "label_conflicts", "label_errors", "likely_label_errors"]


def label_conflicts(dataset: Dataset) -> list[Finding]:
    """Return a serious finding for copies with different labels, within the data set and across both data sets."""
    return [*_within(dataset), *_against(dataset)]


def _within(dataset: Dataset) -> list[Finding]:
    found = conflicts_within(dataset.all_records, dataset.n_records, dataset.copies)
    sets = Components(dataset.n_records)
    for row, copies in found.items():
        for copy in copies:
            sets.join(row, copy)
    conflicts = sets.sets(found)
    if not conflicts:
        return []
    return [
        Finding(
            kind="label_conflicts",
            severity="serious",
            message=f"{counted(len(conflicts), 'group')} of copies "
            f"{'has' if len(conflicts) == 1 else 'have'} more than one label.",
            rule="Copies of one slice, mirrored or not, must have the same label; the score is the number of groups of "
            "copies with several labels.",
            remedy="Let an expert decide which label is correct, or exclude the whole group: at least one label is "
            "wrong.",
            members=tuple(dataset.names_of(rows) for rows in conflicts),
            score=float(len(conflicts)),
        )
    ]


def _against(dataset: Dataset) -> list[Finding]:
    found = conflicts_against(dataset.all_records, dataset.n_records, dataset.copies)
    conflicts = [[row, *copies] for row, copies in found.items()]
    if not conflicts:
        return []
    first = conflicts[0]
    here, there = (dataset.all_records[row].label for row in first[:2])
    return [
        Finding(
            kind="label_conflicts",
            severity="serious",
            message=f"{counted(len(conflicts), 'label')} {'is' if len(conflicts) == 1 else 'are'} contradicted by the "
            f"other data set, which has the same slices: {dataset.names[first[0]]} is {class_name(here)} here and "
            f"{class_name(there)} there.",
            rule="Copies of one slice in two data sets must have the same label, if one of the data sets has both "
            "classes; the score is the number of slices with a contradicted label.",
            remedy="Trust the data set closer to the original patient data; correct these labels or exclude the "
            "slices.",
            members=tuple(dataset.names_of(rows) for rows in conflicts),
            score=float(len(conflicts)),
        )
    ]


_RULE = (
    "Confident learning (Northcutt et al., 2021; cleanlab, off-diagonal entries of the confident joint) on out-of-fold "
    "probabilities, least likely label first; the threshold of a class is the mean probability of its own slices. "
    "Probabilities of training slices hide label errors. The score is the number of slices."
)


def label_errors(dataset: Dataset) -> list[Finding] | Skipped:
    """Return the slices whose label is likely wrong, if predictions were given."""
    if dataset.probabilities is None:
        return Skipped("no predictions were given")
    if find_spec("cleanlab") is None:
        return Skipped("cleanlab is not installed; install it with: pip install 'gadolin[audit]'")
    known = np.flatnonzero(np.isfinite(dataset.probabilities).all(axis=1))
    labels = np.array([dataset.classes.index(record.label) for record in dataset.records], np.int64)
    absent = [name for place, name in enumerate(dataset.classes) if place not in labels[known]]
    if len(dataset.classes) < 2 or absent:
        return Skipped(f"the predictions include no slice of {', '.join(map(class_name, absent)) or 'a second class'}")
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
        labels: (N,) int64 in [0, K), every class present.
        probabilities: (N, K) float64, out of fold, rows sum to 1.
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


def _found(dataset: Dataset, rows: NDArray[np.int64], n_checked: int) -> Finding:
    assert dataset.probabilities is not None, "rows are of given probabilities"
    first = int(rows[0])
    predicted = int(dataset.probabilities[first].argmax())
    return Finding(
        kind="label_errors",
        severity="warning",
        message=f"{len(rows):,} of {counted(n_checked, 'slice')} ({percent(len(rows), n_checked)}) are likely "
        f"mislabelled or hard to classify; the first is {dataset.names[first]}, labelled "
        f"{class_name(dataset.records[first].label)}, predicted {class_name(dataset.classes[predicted])} with "
        f"probability {dataset.probabilities[first, predicted]:.3f}.",
        rule=_RULE,
        remedy="Review them in this order with an expert; correct or remove the wrong ones, and not in the test part "
        "only.",
        members=tuple(dataset.names_of([int(row)]) for row in rows),
        score=float(len(rows)),
    )


def _note(why: str) -> Finding:
    return Finding(
        kind="label_errors",
        severity="note",
        message=f"The search for label errors is incomplete: {why}.",
        rule=_RULE,
        remedy="Give out-of-fold predictions of every slice, as gadolin crossval writes them.",
    )


_MOST = 0.5  # of the head, and of the area around it
_INSIDE = 127  # of 255; above, more than half of the pixel is outlined


def bad_outlines(dataset: Dataset) -> list[Finding] | Skipped:
    """Return warnings about unusable, empty and too large outlines, and a note about thresholded masks."""
    outlines = dataset.outlines
    if outlines is None:
        return Skipped("the data set has no outlines")
    around, over = _too_large(dataset, outlines)
    return [
        *_unusable(dataset, outlines),
        *flagged(
            dataset,
            around,
            _finding(
                "have an outline that marks the background: it is inverted, or its background value is not 0.",
                f"More than {100 * _MOST:.0f} % of the head and of the area around it are marked in the prepared slice",
                "Inspect them; invert the masks, or set their background to 0.",
            ),
        ),
        *flagged(
            dataset,
            over,
            _finding(
                f"have an outline that covers over {100 * _MOST:.0f} % of the head, more than any lesion.",
                f"More than {100 * _MOST:.0f} % of the head is marked in the prepared slice",
                "Inspect them: a mask of the brain or of tissue classes is not an outline; use only the mask value of "
                "the lesion.",
            ),
        ),
        *flagged(
            dataset,
            list(_empty(dataset, outlines.empty)),
            _finding(
                "have an empty outline.",
                "The mask has no marked pixel, nor has any other mask in its file",
                'Inspect them; if there is no lesion, write "none" in the outline column, else draw the outline again.',
            ),
        ),
        *flagged(
            dataset,
            list(outlines.cut),
            _finding(
                "have a mask with many grey levels, which was thresholded at half of its maximum.",
                "The mask is a JPEG file or holds more than a few integer values, as smoothed masks do",
                "Check that the masks fit; save them as PNG, with 0 where there is no lesion.",
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
    """Return the rows whose outline also marks the background, and other rows where it covers most of the head."""
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
    """Yield the rows with an empty outline, except where the same file marks other slices of the volume."""
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
        "Draw them again on the grid of the slice, or remove them from the manifest; training with outlines stops at "
        "them.",
    )
    return flagged(dataset, list(outlines.failed), template)
