"""Checks for leakage: slices or patients in two parts or folds."""

from __future__ import annotations

from collections.abc import Hashable, Mapping

from gadolin.checks.dataset import Dataset, no_sides
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import by_class, counted, percent
from gadolin.duplicates.components import Components
from gadolin.records import Finding
from gadolin.splits import duplicates, learned_before

__all__ = ["copies_across", "shared_patients", "shared_slices"]


def copies_across(dataset: Dataset, sides: Mapping[int, Hashable]) -> list[list[int]]:
    """Return sets of rows that are verified copies of each other on different sides.

    ``sides`` maps the rows to compare to their side, such as a fold or a patient.
    """
    joined = Components(len(dataset.all_records))
    crossing: set[int] = set()
    for row, copies in dataset.copies.among(sides, set(sides)).items():
        for other in copies:
            if sides[row] != sides[other]:
                joined.join(row, other)
                crossing.update((row, other))
    return joined.sets(crossing)


_SERIOUS = 0.01  # of a part


def shared_slices(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a finding for each part that shares slices with training data, and one for folds that share slices."""
    if why := no_sides(dataset):
        return Skipped(why)
    found = [_slices_in_part(dataset, part) for part in ("test", "validation")]
    return [one for one in [*found, _slices_in_folds(dataset)] if one is not None]


def _slices_in_part(dataset: Dataset, part: str) -> Finding | None:
    whole = [row for row, record in enumerate(dataset.records) if record.split == part]
    shared = duplicates(dataset.records, dataset.copies, part)
    if not shared:
        return None
    share = len(shared) / len(whole)
    labels = by_class(
        [dataset.all_records[row].label for row in shared], [dataset.all_records[row].label for row in whole]
    )
    training = "training or validation" if part == "test" and "validation" in dataset.parts else "training"
    return Finding(
        kind="shared_slices",
        severity="serious" if share >= _SERIOUS else "warning",
        message=f"{percent(len(shared), len(whole))} of the {part} part ({len(shared):,} of "
        f"{counted(len(whole), 'slice')}) is also in the {training} part, so "
        f"{'accuracy on it is misleading' if share >= _SERIOUS else 'these slices inflate its accuracy'}: {labels}.",
        rule="A slice of this part is a copy of one used in training: identical, mirrored, rotated, rescaled or "
        "re-saved; the score is the share of the part.",
        remedy="Split again, which keeps copies and patients together, or report new slices separately.",
        members=_together(dataset, shared),
        score=share,
    )


def _together(dataset: Dataset, shared: dict[int, list[int]]) -> tuple[tuple[str, ...], ...]:
    """Return the names of each group of copies: its slices in this part, then those in training."""
    groups = dataset.copies.groups.tolist()
    here: dict[int, list[int]] = {}
    for row in shared:
        here.setdefault(groups[row], []).append(row)
    there = {group: sorted({other for row in rows for other in shared[row]}) for group, rows in here.items()}
    return tuple(dataset.names_of([*rows, *there[group]]) for group, rows in here.items())


def _slices_in_folds(dataset: Dataset) -> Finding | None:
    folds = {row: record.fold for row, record in enumerate(dataset.records) if record.fold is not None}
    crossing = copies_across(dataset, folds)
    if not crossing:
        return None
    count, whole = sum(map(len, crossing)), len(folds)
    return Finding(
        kind="shared_slices",
        severity="serious" if count / whole >= _SERIOUS else "warning",
        message=f"{percent(count, whole)} of the slices in folds ({count:,} of {whole:,}) have a copy in another fold.",
        rule="Copies are in different folds; the score is the share of the slices.",
        remedy="Assign the folds again, which keeps copies and patients together.",
        members=tuple(dataset.names_of(rows) for rows in crossing),
        score=count / whole,
    )


def shared_patients(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a serious finding for each part, and for the folds, that share patients, including transferred ones."""
    why = no_sides(dataset) or (
        "" if any(one.patient for one in dataset.records_with_patients) else "no patient is known"
    )
    if why:
        return Skipped(why)
    found = [_patients_in_part(dataset, part) for part in ("test", "validation")]
    return [one for one in [*found, _patients_in_folds(dataset)] if one is not None]


def _patients_in_part(dataset: Dataset, part: str) -> Finding | None:
    learned = learned_before(part)
    here: dict[str, list[int]] = {}
    there: dict[str, list[int]] = {}
    for row, record in enumerate(dataset.records_with_patients):
        if record.patient and record.split in (part, *learned):
            (here if record.split == part else there).setdefault(record.patient, []).append(row)
    shared = sorted(patient for patient in here if patient in there)
    if not shared:
        return None
    rows = [row for patient in shared for row in here[patient]]
    known = [row for members in here.values() for row in members]
    whole = sum(record.split == part for record in dataset.records)
    labels = by_class(
        [dataset.all_records[row].label for row in rows], [dataset.all_records[row].label for row in known]
    )
    carried = sum(not dataset.all_records[row].patient for row in known)
    return Finding(
        kind="shared_patients",
        severity="serious",
        message=f"{percent(len(rows), len(known))} of the {part} slices with a known patient ({len(rows):,} of "
        f"{len(known):,}) belong to {counted(len(shared), 'patient')} with other slices in training, so accuracy on "
        f"them does not hold for new patients: {labels}.",
        rule="A patient has slices in this part and in training data. "
        + (
            f"The patients of {carried:,} slices were transferred from their copies in the other data set. "
            * bool(carried)
        )
        + f"The score is the share of the slices with a known patient, {len(known):,} of {whole:,}.",
        remedy="Split again by patient.",
        members=tuple(dataset.names_of([*here[patient], *there[patient]]) for patient in shared),
        score=len(rows) / len(known),
    )


def _patients_in_folds(dataset: Dataset) -> Finding | None:
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(dataset.records_with_patients):
        if record.patient and record.fold is not None:
            rows.setdefault(record.patient, []).append(row)
    crossing = [of for of in rows.values() if len({dataset.all_records[row].fold for row in of}) > 1]
    if not crossing:
        return None
    return Finding(
        kind="shared_patients",
        severity="serious",
        message=f"{counted(len(crossing), 'patient')} of {len(rows):,} "
        f"{'has' if len(crossing) == 1 else 'have'} slices in several folds.",
        rule="All slices of a patient must be in one fold; the score is the number of patients in several folds.",
        remedy="Assign the folds again by patient.",
        members=tuple(dataset.names_of(of) for of in crossing),
        score=float(len(crossing)),
    )
