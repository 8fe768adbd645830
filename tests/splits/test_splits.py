"""Tests of splits: duplicates are found, groups stay whole, and the seed determines the result."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gadolin.errors import DataError
from gadolin.records import Record
from gadolin.splits import grouping_keys, hold_out, join_copies


def record(number, label="glioma", **fields):
    return Record(Path(f"{number}.png"), label, digest=f"digest-{number}", **fields)


def test_joined_records_are_named_after_the_first_digest_of_their_copies():
    joined = join_copies([record(2), record(1), record(0)], np.array([0, 1, 0]))
    assert [one.group for one in joined] == ["copy-digest-0", "copy-digest-1", "copy-digest-0"]


def test_a_new_group_never_bears_the_name_of_another():
    records = [record(0, group="copy-digest-1"), record(1), record(2, group="copy-00001"), record(3), record(3)]
    joined = [one.group for one in join_copies(records, np.arange(5))]
    assert joined[0] == "copy-digest-1"
    assert len(set(joined)) == 5


def test_slices_of_one_file_and_slices_without_a_digest_have_names_of_their_own():
    records = [record(0, frame=3), record(0, frame=4), replace(record(1), digest=""), replace(record(2), digest="")]
    joined = [one.group for one in join_copies(records, np.array([0, 1, 2, 2]))]
    assert joined == ["copy-digest-0#3", "copy-digest-0#4", "copy-1.png", "copy-1.png"]


def test_manifests_of_two_runs_can_be_put_together():
    first, second = (join_copies([record(number) for number in some], np.array([0, 0, 2])) for some in ("abc", "xyz"))
    groups = [one.group for one in join_copies([*first, *second], np.arange(6))]
    assert groups == [one.group for one in [*first, *second]]
    assert len(set(groups)) == 4


@given(st.permutations(range(12)), st.integers(0, 3))
def test_the_order_of_the_rows_changes_no_group_and_no_cut(order, seed):
    records = [record(number, "xy"[number % 2], group="g" * (number in (3, 7))) for number in range(12)]
    copies = np.array([0, 1, 0, 3, 3, 5, 6, 7, 8, 9, 10, 1])

    def split(rows):
        joined = join_copies([records[row] for row in rows], copies[list(rows)])
        return {(one.name, one.group, one.split) for one in hold_out(joined, 0.3, part="test", seed=seed)}

    assert split(order) == split(range(12))


def test_a_copy_joins_the_group_that_its_original_already_has():
    joined = join_copies([record(0), record(1, group="scan 7"), record(2)], np.array([0, 0, 2]))
    assert [one.group for one in joined] == ["scan 7", "scan 7", "copy-digest-2"]


def test_two_groups_that_share_a_copy_become_one():
    records = [record(0, group="a"), record(1, group="b"), record(2, group="b"), record(3, group="c")]
    joined = join_copies(records, np.array([0, 0, 2, 3]))
    assert [one.group for one in joined] == ["a", "a", "a", "c"]


@given(st.lists(st.tuples(st.integers(0, 6), st.sampled_from(["", "a", "b", "c"])), max_size=20))
def test_joining_never_parts_a_group_or_a_copy(pairs):
    records = [record(number, group=group) for number, (_, group) in enumerate(pairs)]
    joined = join_copies(records, np.array([copy for copy, _ in pairs], np.int64))
    for one, (copy, group) in enumerate(pairs):
        for other in range(one):
            if copy == pairs[other][0] or (group and group == pairs[other][1]):
                assert joined[one].group == joined[other].group


@pytest.mark.parametrize(
    ("fields", "key"),
    [
        ({"patient": "p", "group": "g"}, "p"),
        ({"group": "g"}, "g"),
        ({}, "digest-1"),
        ({"digest": ""}, "1.png"),
    ],
)
def test_intervals_resample_by_the_patient_else_the_group_else_the_picture(fields, key):
    assert grouping_keys([replace(record(1), **fields)]) == [key]


def test_intervals_resample_copies_under_two_patient_ids_together():
    rows = [{"patient": "p", "group": "g"}, {"patient": "q", "group": "g"}, {"patient": "q"}, {"patient": "r"}]
    keys = grouping_keys([replace(record(number), **row) for number, row in enumerate(rows)])
    assert keys == ["p", "p", "p", "r"]


POPULATIONS = st.lists(
    st.tuples(st.sampled_from("xy"), st.integers(0, 14), st.integers(0, 30)), min_size=12, max_size=60
)


@given(POPULATIONS, st.floats(0.1, 0.6), st.integers(0, 9))
@pytest.mark.slow
def test_a_cut_never_divides_a_patient_or_a_group(rows, fraction, seed):
    records = [
        record(number, label, patient=patient and f"p{patient}", group=group and f"g{group}")
        for number, (label, patient, group) in enumerate((a, b or "", c or "") for a, b, c in rows)
    ]
    try:
        divided = hold_out(records, fraction, part="test", seed=seed)
    except DataError:
        assume(False)
    for key in ("patient", "group"):
        parts = {}
        for one in divided:
            if getattr(one, key):
                assert parts.setdefault(getattr(one, key), one.split) == one.split
    assert {one.split for one in divided} == {"train", "test"}
    assert [replace(one, split="") for one in divided] == records


@given(st.integers(10, 40), st.integers(1, 5), st.floats(0.1, 0.5), st.integers(0, 9))
def test_a_cut_is_within_half_a_patient_of_its_quota(patients, slices, fraction, seed):
    records = [
        record(f"{label}{patient}-{number}", label, patient=f"{label}{patient}")
        for label in "xy"
        for patient in range(patients)
        for number in range(slices)
    ]
    taken = Counter(
        one.label for one in hold_out(records, fraction, part="validation", seed=seed) if one.split != "train"
    )
    for label in "xy":
        assert abs(taken[label] - fraction * patients * slices) <= slices / 2 + 1e-9


def test_every_class_is_cut_by_its_own_share():
    records = [record(n, "many") for n in range(80)] + [record(n + 80, "few") for n in range(20)]
    moved = Counter(one.label for one in hold_out(records, 0.25, part="test", seed=0) if one.split == "test")
    assert moved == {"many": 20, "few": 5}


def test_a_class_whose_groups_are_all_too_large_gives_its_smallest_one():
    records = [record(number, "common") for number in range(40)]
    records += [
        record(f"{patient}-{n}", "rare", patient=patient) for patient, size in (("a", 9), ("b", 4)) for n in range(size)
    ]
    moved = [one for one in hold_out(records, 0.1, part="test", seed=0) if one.split == "test"]
    assert {one.patient for one in moved if one.label == "rare"} == {"b"}
    assert sum(one.label == "common" for one in moved) == 4


def test_the_same_seed_cuts_alike_and_another_seed_otherwise():
    records = [record(number, label) for number, label in enumerate("xy" * 30)]
    first, again, other = (hold_out(records, 0.3, part="test", seed=seed) for seed in (5, 5, 6))
    assert first == again
    assert first != other


def test_records_of_other_parts_stay_where_they_are():
    records = [record(n, label) for n, label in enumerate("xy" * 10)]
    records += [record(99, "x", split="test"), record(98, "x", split="validation")]
    divided = hold_out(records, 0.3, part="validation", seed=0)
    assert [one.split for one in divided[-2:]] == ["test", "validation"]


@pytest.mark.parametrize("seed", range(5))
def test_rows_that_stay_keep_their_whole_group_and_have_no_share(seed):
    records = [record(n, label, patient=f"p{n // 2}") for n, label in enumerate("xy" * 10)]
    records += [record(50 + n, "unknown") for n in range(4)]
    divided = hold_out(records, 0.3, part="validation", seed=seed, keep=[0, *range(20, 24)])
    assert [one.split for one in divided[:2]] == ["train", "train"]
    assert {one.split for one in divided[20:]} == {"train"}
    assert sum(one.split == "validation" for one in divided) > 2


@pytest.mark.parametrize("fraction", [0.1, 0.2, 0.25, 0.3])
def test_a_class_that_is_one_patient_cannot_be_cut_whatever_the_share(fraction):
    rows = [record(number, "glioma", patient="only") for number in range(3)]
    rows += [record(number, "notumor", patient=f"n{number}") for number in range(10, 30)]
    with pytest.raises(DataError) as caught:
        hold_out(rows, fraction, part="test", seed=0)
    assert caught.value.code == "too_few_groups"
    assert "'glioma'" in caught.value.got


def test_a_class_that_is_one_patient_cannot_be_cut():
    records = [record(n, "glioma", patient=f"{n}") for n in range(10)]
    records += [record(20 + n, "meningioma", patient="one") for n in range(10)]
    with pytest.raises(DataError) as caught:
        hold_out(records, 0.5, part="test", seed=0)
    assert str(caught.value) == (
        "a split needs at least two groups of each class, 'meningioma' cannot be divided by patient and copy; "
        "add slices of other patients or set the parts in a manifest"
    )


def test_a_class_whose_slices_are_all_copies_cannot_be_cut():
    records = [record(n, "glioma") for n in range(10)] + [record(20 + n, "notumor", group="g") for n in range(4)]
    with pytest.raises(DataError) as caught:
        hold_out(records, 0.3, part="test", seed=0)
    assert caught.value.code == "too_few_groups"
    assert "'notumor'" in caught.value.got
