"""Tests of the subsets of a test split by its overlap with the training slices."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gadolin.duplicates import Copies, Copy
from gadolin.duplicates.registration import IDENTICAL, Overlay
from gadolin.records import Record
from gadolin.splits import SUBSETS, duplicates, overlap, part_name

ALIKE = Overlay(0.97, mirrored=True, degrees=3.0, scale=1.0)


def record(number, split="", **fields):
    return Record(Path(f"{number}.png"), "glioma", split=split, **{"digest": f"digest-{number}", **fields})


def found(count, *pairs, groups=None, overlay=ALIKE):
    """Return the duplicates among ``count`` slices; by default every slice is its own group."""
    numbers = np.arange(count) if groups is None else np.asarray(groups)
    return Copies(tuple(Copy(one, other, overlay) for one, other in pairs), np.zeros(count, np.int64), numbers)


def test_without_pixels_the_groups_of_the_manifest_decide():
    records = [
        record(0, patient="a", group="g", split="train"),
        record(1, patient="b", group="h", split="validation"),
        record(2, patient="z", group="g", split="test"),
        record(3, patient="z", group="h", split="test"),
        record(4, patient="a", group="i", split="test"),
        record(5, patient="b", split="test"),
        record(6, patient="z", group="j", split="test"),
        record(7, group="k", split="test"),
        record(8, split="test"),
    ]
    shared = overlap(records)
    assert shared.found_by == "groups"
    assert shared.by_key(records) == {
        "digest-2": "duplicate",
        "digest-3": "duplicate",
        "digest-4": "known_patient",
        "digest-5": "known_patient",
        "digest-6": "new_patient",
        "digest-7": "new_slice",
        "digest-8": "new_slice",
    }


def test_with_pixels_only_proved_pairs_are_duplicates_and_not_the_ends_of_a_chain():
    records = [record(0, "train", group="g"), record(1, "test", group="g"), record(2, "test", group="g")]
    shared = overlap(records, found(3, (0, 1), (1, 2)))
    assert shared.found_by == "pixels"
    assert shared.subsets == {1: "duplicate", 2: "new_slice"}
    assert duplicates(records, found(3, (0, 1), (1, 2))) == {1: [0]}


def test_slices_of_one_group_of_copies_are_duplicates_though_they_are_no_pair():
    records = [record(0, "train"), record(1, "test")]
    assert overlap(records, found(2, groups=[0, 0])).subsets == {1: "duplicate"}


def test_the_same_file_is_a_duplicate_though_it_shows_nothing_that_could_be_compared():
    records = [record(0, "train"), record(1, "test", digest="digest-0"), record(2, "test", digest="")]
    assert duplicates([*records, record(3, "train", digest="")], found(4)) == {1: [0]}


def test_another_slice_of_the_same_file_is_none():
    records = [record(0, "train", frame=0), record(1, "test", digest="digest-0", frame=1)]
    assert duplicates(records, found(2)) == {}


def test_the_validation_part_is_compared_with_the_training_part_alone():
    records = [record(0, "train", patient="a"), record(1, "validation", patient="a"), record(2, "test", patient="a")]
    assert overlap(records).subsets == {2: "known_patient"}
    assert overlap(records, part="validation").subsets == {1: "known_patient"}
    assert overlap(records[1:], part="validation").subsets == {1 - 1: "new_patient"}


def test_copies_may_number_more_slices_than_there_are_records():
    records = [record(0, "train"), record(1, "test")]
    assert duplicates(records, found(3, (0, 2), (1, 2))) == {}


@pytest.mark.parametrize("name", SUBSETS)
def test_a_subset_is_spelt_in_words_and_other_names_stay(name):
    assert part_name(name) == name.replace("_", " ")
    assert part_name("my_part") == "my_part"


def test_copies_of_a_row_are_those_of_its_group_and_of_its_pairs():
    copies = found(5, (0, 1), (1, 2), groups=[0, 1, 2, 0, 4])
    assert [copies.of(row) for row in range(5)] == [[1, 3], [0, 2], [1], [0], []]


def test_what_is_the_same_after_preparation_shares_all_pairs():
    copies = Copies(
        (Copy(0, 1, IDENTICAL), Copy(0, 2, ALIKE), Copy(1, 3, ALIKE)), np.zeros(4, np.int64), np.array([0, 0, 2, 3])
    )
    assert [copies.of(row) for row in range(4)] == [[1, 2, 3], [0, 2, 3], [0, 1], [0, 1]]


def test_copies_among_rows_are_given_only_where_there_are_some():
    copies = found(4, (0, 1), (1, 2))
    assert copies.among([0, 1, 3], [2, 3]) == {1: [2]}
