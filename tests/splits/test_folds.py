"""Tests of folds: whole groups, every class in every fold, balanced, reproducible from the seed."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gadolin.errors import DataError
from gadolin.records import Record
from gadolin.splits import assign_folds, check_folds, patient_and_copy_groups


def record(number, label="glioma", **fields):
    return Record(Path(f"{number}.png"), label, digest=f"digest-{number}", **fields)


def patients(counts, label="glioma"):
    """Make the slices of one class; patient i has ``counts[i]`` of them."""
    return [
        record(f"{label}-{patient}-{number}", label, patient=f"{label}-{patient}")
        for patient, count in enumerate(counts)
        for number in range(count)
    ]


@given(
    st.lists(st.integers(1, 6), min_size=6, max_size=20),
    st.lists(st.integers(1, 6), min_size=6, max_size=20),
    st.integers(2, 4),
    st.integers(0, 3),
)
@pytest.mark.slow
def test_no_group_stands_in_two_folds_and_no_fold_is_far_larger_than_another(first, second, count, seed):
    records = [*patients(first), *patients(second, "pituitary")]
    folded = assign_folds(records, count, seed=seed)
    for members in patient_and_copy_groups(folded):
        assert len({folded[row].fold for row in members}) == 1
    for label, sizes in (("glioma", first), ("pituitary", second)):
        held = Counter(one.fold for one in folded if one.label == label)
        assert max(held.values()) - min(held[fold] for fold in range(count)) <= 2 * max(sizes)
    assert folded == assign_folds(records, count, seed=seed)


def test_another_seed_deals_equal_groups_otherwise():
    records = patients([2] * 20)
    first, second = (assign_folds(records, 5, seed=seed) for seed in (0, 1))
    assert first != second
    assert Counter(one.fold for one in first) == Counter(one.fold for one in second) == dict.fromkeys(range(5), 8)


def test_slices_that_have_a_fold_keep_it_and_what_belongs_with_them_follows():
    records = [record(0, fold=2, group="a"), record(1, group="a"), *patients([1] * 8)]
    folded = assign_folds(records, 3, seed=0)
    assert [one.fold for one in folded[:2]] == [2, 2]
    assert sorted(Counter(one.fold for one in folded).values()) == [3, 3, 4]


def test_a_group_that_already_stands_in_two_folds_is_refused():
    records = [record(0, fold=0, patient="P"), record(1, fold=1, patient="P"), *patients([1] * 4)]
    with pytest.raises(DataError) as caught:
        assign_folds(records, 2, seed=0)
    assert caught.value.code == "group_in_two_folds"
    assert "0.png" in caught.value.got
    assert "1.png" in caught.value.got


def test_a_fold_beyond_those_asked_for_is_refused():
    with pytest.raises(DataError) as caught:
        assign_folds([record(0, fold=4), *patients([1] * 4)], 2, seed=0)
    assert caught.value.code == "folds_out_of_range"
    assert "0.png" in caught.value.got


def test_one_giant_copy_group_leaves_a_fold_without_its_class():
    records = [*(record(number, group="copies of one") for number in range(30)), *patients([1] * 9, "pituitary")]
    with pytest.raises(DataError) as caught:
        assign_folds(records, 3, seed=0)
    assert caught.value.code == "too_few_groups"
    assert "'glioma'" in caught.value.got


def test_more_folds_than_patients_are_refused():
    with pytest.raises(DataError) as caught:
        assign_folds(patients([1] * 4), 9, seed=0)
    assert caught.value.code == "too_few_groups"
    assert "4 folds" in caught.value.remedy


def test_folds_that_are_not_there_or_only_for_some_are_refused():
    with pytest.raises(DataError) as caught:
        check_folds(patients([1] * 4))
    assert caught.value.code == "folds_incomplete"
    folded = assign_folds(patients([1] * 4), 2, seed=0)
    with pytest.raises(DataError) as caught:
        check_folds([replace(folded[0], fold=None), *folded[1:]])
    assert caught.value.code == "folds_incomplete"
    check_folds(folded)


def test_a_class_that_vanishes_from_a_fold_is_refused():
    folded = assign_folds(patients([1] * 4), 2, seed=0)
    with pytest.raises(DataError, match="every fold needs slices of every class, 'notumor' has none in fold 1"):
        check_folds([*folded, record("n", "notumor", fold=0)])


def test_the_order_of_the_rows_changes_no_fold():
    records = [*patients([40, *[1] * 60]), *patients([1] * 100, "pituitary")]
    turned = assign_folds(records[::-1], 5, seed=0)
    assert turned[::-1] == assign_folds(records, 5, seed=0)
