"""Checks for conflicting and missing patients."""

from __future__ import annotations

from collections import defaultdict

from gadolin.checks.dataset import Dataset
from gadolin.checks.leakage import copies_across
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted, percent
from gadolin.records import Finding

__all__ = ["half_patients", "patient_conflicts", "patient_labels"]


def patient_labels(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a warning with the patients whose slices have several labels, including transferred patients."""
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(dataset.records_with_patients):
        if record.patient:
            rows.setdefault(record.patient, []).append(row)
    if not rows:
        return Skipped("no patient is known")
    conflicts = [of for of in rows.values() if len({dataset.all_records[row].label for row in of}) > 1]
    if not conflicts:
        return []
    return [
        Finding(
            kind="patient_labels",
            severity="warning",
            message=f"{counted(len(conflicts), 'patient')} of {len(rows):,} "
            f"{'has' if len(conflicts) == 1 else 'have'} slices with different labels.",
            rule="Slices of one patient, given by the data set or transferred from copies, should have one label; "
            "the score is the number of patients.",
            remedy="Inspect them: two diseases in one patient are rare, wrong labels and reused patient numbers are "
            "not. A lesion-free slice of a patient with a lesion is not a healthy brain.",
            members=tuple(dataset.names_of(of) for of in conflicts),
            score=float(len(conflicts)),
        )
    ]


def patient_conflicts(dataset: Dataset) -> list[Finding] | Skipped:
    """Return a warning for copies with different patients, within the data set and across both data sets."""
    if not any(record.patient for record in dataset.records):
        return Skipped("no patient is known")
    return [*_within(dataset), *_against(dataset)]


def _within(dataset: Dataset) -> list[Finding]:
    patients = {row: record.patient for row, record in enumerate(dataset.records) if record.patient}
    conflicts = copies_across(dataset, patients)
    if not conflicts:
        return []
    return [
        Finding(
            kind="patient_conflicts",
            severity="warning",
            message=f"{counted(len(conflicts), 'group')} of copies "
            f"{'has' if len(conflicts) == 1 else 'have'} more than one patient.",
            rule="Copies of one slice must have the same patient; the score is the number of groups of copies with "
            "several patients.",
            remedy="Find out whether one patient has two numbers or a slice was filed wrongly; a split by patient "
            "keeps all patients of such a group together.",
            members=tuple(dataset.names_of(rows) for rows in conflicts),
            score=float(len(conflicts)),
        )
    ]


def _against(dataset: Dataset) -> list[Finding]:
    """Compare patients with those of the other data set, which may use other names for them, but consistently."""
    pairs = []
    for rows in dataset.copy_groups:
        known = [row for row in rows if dataset.all_records[row].patient]
        there = [row for row in known if row >= dataset.n_records]
        pairs += [(row, other) for row in known if row < dataset.n_records for other in there]
    patients = [(dataset.all_records[row].patient, dataset.all_records[other].patient) for row, other in pairs]
    theirs, ours = defaultdict(set), defaultdict(set)
    for own, other in patients:
        theirs[own].add(other)
        ours[other].add(own)
    names_in_common = bool(
        {own for own, _ in patients} & {record.patient for record in dataset.all_records[dataset.n_records :]}
    )
    conflicts = [
        pair
        for pair, (own, other) in zip(pairs, patients, strict=True)
        if own != other and (names_in_common or len(theirs[own]) > 1 or len(ours[other]) > 1)
    ]
    if not conflicts:
        return []
    slices = {row for row, _ in conflicts}
    return [
        Finding(
            kind="patient_conflicts",
            severity="warning",
            message=f"{counted(len(slices), 'slice')} {'belongs' if len(slices) == 1 else 'belong'} to another patient "
            "in the other data set.",
            rule="Copies of one slice in two data sets must have the same patient. As the data sets may use different "
            "names for a patient, this is reported only if they have names in common, or if one patient corresponds to "
            "several in the other data set. The score is the number of slices.",
            remedy="Trust the data set closer to the original patient data, and correct the patient column.",
            members=tuple(dataset.names_of(pair) for pair in conflicts),
            score=float(len(slices)),
        )
    ]


def half_patients(dataset: Dataset) -> list[Finding]:
    """Return a warning where the data set has patients for some slices only."""
    unknown = [row for row, record in enumerate(dataset.records) if not record.patient]
    if not 0 < len(unknown) < dataset.n_records:
        return []
    return [
        Finding(
            kind="half_patients",
            severity="warning",
            message=f"The patient is missing for {len(unknown):,} of {counted(dataset.n_records, 'slice')} "
            f"({percent(len(unknown), dataset.n_records)}).",
            rule="Some rows of the patient column are empty; the score is their share.",
            remedy="Complete the column, or split by copies instead of by patient: slices without a patient may belong "
            "to any patient, also to one in training.",
            members=tuple(dataset.names_of([row]) for row in unknown),
            score=len(unknown) / dataset.n_records,
        )
    ]
