"""Patients that contradict each other or are missing."""

from __future__ import annotations

from collections import defaultdict

from gadolin.checks.dataset import Dataset
from gadolin.checks.leakage import copies_across
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted, percent
from gadolin.records import Finding

__all__ = ["half_patients", "patient_conflicts", "patient_labels"]


def patient_labels(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a warning with the patients whose slices bear two labels, carried-over patients included."""
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(dataset.records_with_patients):
        if record.patient:
            rows.setdefault(record.patient, []).append(row)
    if not rows:
        return Skipped("no patient is known")
    torn = [of for of in rows.values() if len({dataset.all_records[row].label for row in of}) > 1]
    if not torn:
        return []
    return [
        Finding(
            kind="patient_labels",
            severity="warning",
            message=f"{counted(len(torn), 'patient')} of {len(rows):,} "
            f"{'has' if len(torn) == 1 else 'have'} slices under two labels or more.",
            rule="Slices of one patient, named by the data set or carried over from copies whose patient is known, "
            "bear one label; the score is the number of patients.",
            remedy="Look at them: two diseases are rare, a wrong label or a patient number used twice is not. A slice "
            "without a lesion of a patient who has one is not a healthy brain.",
            members=tuple(dataset.names_of(of) for of in torn),
            score=float(len(torn)),
        )
    ]


def patient_conflicts(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a warning for copies under two patients: within the data set, and against the other one."""
    if not any(record.patient for record in dataset.records):
        return Skipped("no patient is known")
    return [*_within(dataset), *_against(dataset)]


def _within(dataset: Dataset) -> list[Finding]:
    torn = copies_across(dataset, {row: record.patient for row, record in enumerate(dataset.records) if record.patient})
    if not torn:
        return []
    return [
        Finding(
            kind="patient_conflicts",
            severity="warning",
            message=f"{counted(len(torn), 'slice')} {'stands' if len(torn) == 1 else 'stand'} under two patients or "
            "more, in copies of one another.",
            rule="Copies of one slice are of one patient; the score is the number of groups of copies that name "
            "several.",
            remedy="Find out whether one patient bears two numbers or a slice was filed wrongly; a split by patient "
            "keeps all patients of such a group together.",
            members=tuple(dataset.names_of(rows) for rows in torn),
            score=float(len(torn)),
        )
    ]


def _against(dataset: Dataset) -> list[Finding]:
    """Compare patients with those of the other data set, which may only call them otherwise, each by one name."""
    pairs = []
    for rows in dataset.copy_groups:
        known = [row for row in rows if dataset.all_records[row].patient]
        there = [row for row in known if row >= dataset.n_records]
        pairs += [(row, other) for row in known if row < dataset.n_records for other in there]
    named = [(dataset.all_records[row].patient, dataset.all_records[other].patient) for row, other in pairs]
    theirs, ours = defaultdict(set), defaultdict(set)
    for own, other in named:
        theirs[own].add(other)
        ours[other].add(own)
    one_language = bool(
        {own for own, _ in named} & {record.patient for record in dataset.all_records[dataset.n_records :]}
    )
    torn = [
        pair
        for pair, (own, other) in zip(pairs, named, strict=True)
        if own != other and (one_language or len(theirs[own]) > 1 or len(ours[other]) > 1)
    ]
    if not torn:
        return []
    slices = {row for row, _ in torn}
    return [
        Finding(
            kind="patient_conflicts",
            severity="warning",
            message=f"{counted(len(slices), 'slice')} {'is' if len(slices) == 1 else 'are'} of another patient in the "
            "other data set.",
            rule="Copies of one slice in two data sets are of one patient. Data sets may call a patient by different "
            "names: told where they have names in common, or where a patient of one is several in the other. The "
            "score is the number of slices.",
            remedy="Believe the data set that is nearer to the patients, and correct the column.",
            members=tuple(dataset.names_of(pair) for pair in torn),
            score=float(len(slices)),
        )
    ]


def half_patients(dataset: Dataset) -> list[Finding]:
    """Return a warning where the data set names the patients of some slices and not of others."""
    unknown = [row for row, record in enumerate(dataset.records) if not record.patient]
    if not 0 < len(unknown) < dataset.n_records:
        return []
    return [
        Finding(
            kind="half_patients",
            severity="warning",
            message=f"The patient of {counted(len(unknown), 'slice')} of {dataset.n_records:,} "
            f"({percent(len(unknown), dataset.n_records)}) is not named, that of the others is.",
            rule="Some rows of the patient column are empty; the score is the share that is.",
            remedy="Complete the column, or split by copies and not by patient: slices without a patient may be of "
            "any patient, in training or not.",
            members=tuple(dataset.names_of([row]) for row in unknown),
            score=len(unknown) / dataset.n_records,
        )
    ]
