"""Tests of transferring patients: only where the matched slices agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gadolin.duplicates import Copies
from gadolin.errors import DataError
from gadolin.records import Record
from gadolin.splits import transfer_patients


def records(*patients):
    return [Record(Path(f"{number}.png"), "glioma", patient) for number, patient in enumerate(patients)]


def copies(*groups):
    return Copies((), np.array(groups), np.array(groups))


def carried(own, known, *groups):
    return [one.patient for one in transfer_patients(records(*own), records(*known), copies(*groups))]


def test_a_slice_takes_over_the_patient_of_its_copy():
    assert carried([""], ["p1", "p2"], 0, 0, 2) == ["p1"]


def test_a_slice_whose_copies_name_two_patients_takes_over_neither():
    assert carried([""], ["p1", "p2"], 0, 0, 0) == [""]


def test_a_copy_without_a_patient_says_nothing_against_one_that_has_it():
    assert carried([""], ["", "p2"], 0, 0, 0) == ["p2"]


def test_a_patient_of_its_own_is_kept():
    assert carried(["mine"], ["p1"], 0, 0) == ["mine"]


def test_a_slice_without_copies_there_stays_without_a_patient():
    assert carried(["", ""], ["p1"], 0, 0, 2) == ["", ""]


def test_copies_of_another_number_of_slices_are_refused():
    with pytest.raises(DataError) as caught:
        carried([""], ["p1"], 0)
    assert caught.value.code == "copies_incomplete"


def test_equal_names_of_two_data_sets_that_share_no_slice_of_them_are_two_people():
    assert carried(["1", ""], ["1"], 0, 1, 1) == ["1", "other:1"]
    known = [Record(Path("k.png"), "glioma", "1", source="figshare")]
    own = transfer_patients(records("1", ""), known, copies(0, 1, 1))
    assert [one.patient for one in own] == ["1", "figshare:1"]


def test_names_are_taken_for_the_same_people_where_a_slice_bears_one_in_both():
    assert carried(["1", ""], ["1", "1"], 0, 1, 0, 1) == ["1", "1"]


def test_a_name_that_only_the_other_data_set_has_is_carried_as_it_is():
    assert carried(["1", ""], ["2"], 0, 1, 1) == ["1", "2"]
