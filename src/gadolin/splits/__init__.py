"""Splits that keep the slices of a patient, and the copies of a slice, together."""

from gadolin.splits.conflicts import conflicts_against, conflicts_within
from gadolin.splits.folds import assign_folds, check_folds
from gadolin.splits.groups import grouping_keys, join_copies, patient_and_copy_groups
from gadolin.splits.holdout import hold_out
from gadolin.splits.overlap import SUBSETS, Overlap, duplicates, learned_before, overlap, part_name
from gadolin.splits.patient_transfer import transfer_patients

__all__ = [
    "SUBSETS",
    "Overlap",
    "assign_folds",
    "check_folds",
    "conflicts_against",
    "conflicts_within",
    "duplicates",
    "grouping_keys",
    "hold_out",
    "join_copies",
    "learned_before",
    "overlap",
    "part_name",
    "patient_and_copy_groups",
    "transfer_patients",
]
