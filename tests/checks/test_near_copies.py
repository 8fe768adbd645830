"""Tests of the check for near-duplicates within a data set."""

from __future__ import annotations

import numpy as np
from PIL import Image

from gadolin.checks.duplicates import near_copies


def test_each_group_is_told_once_and_counted_without_its_first_slice(dataset):
    (found,) = near_copies(dataset({"copy": "a"}, {"copy": "a"}, {"copy": "a"}, {}, {"copy": "b"}, {"copy": "b"}))
    assert found.members == (("0.png", "1.png", "2.png"), ("4.png", "5.png"))
    assert found.score == 3


def test_it_is_told_how_the_copies_were_changed(dataset):
    pairs = [(0, 1, True, 0.0, 1.0), (0, 2, True, 90.0, 0.5), (1, 2, False, 1.0, 1.01)]
    (found,) = near_copies(dataset({"copy": "a"}, {"copy": "a"}, {"copy": "a"}, pairs=pairs))
    assert "of 3 pairs found, 2 mirrored, 1 rotated, 1 rescaled" in found.message


def test_a_slice_whose_only_copy_is_in_the_other_data_set_is_none(dataset):
    assert near_copies(dataset({"copy": "a"}, {}, {"copy": "a", "other": True})) == []


def test_a_mirrored_copy_is_found_on_disk(lay_out, kinds):
    root = lay_out(count=2)
    picture = next((root / "glioma").iterdir())
    Image.fromarray(np.asarray(Image.open(picture))[:, ::-1]).save(root / "glioma" / "mirrored.png")
    (found,) = kinds(root)["near_copies"]
    assert any({f"glioma/{picture.name}", "glioma/mirrored.png"} <= set(members) for members in found.members)
    assert "mirrored" in found.message


def test_a_copy_upside_down_is_counted_as_such_and_as_nothing_else(dataset):
    (found,) = near_copies(dataset({"copy": "a"}, {"copy": "a"}, pairs=[(0, 1, True, 179.0, 1.0)]))
    assert "of 1 pair found, 1 upside down." in found.message


def test_groups_within_one_patient_are_told_apart(dataset):
    rows = [{"copy": "a", "patient": "p"}, {"copy": "a", "patient": "p"}, {"copy": "b"}, {"copy": "b"}]
    mirrored = [{"copy": "c", "patient": "q"}, {"copy": "c", "patient": "q"}]
    (found,) = near_copies(dataset(*rows, *mirrored, pairs=[(4, 5, True, 0.0, 1.0)]))
    assert "in 3 groups, 1 of them within one patient: perhaps neighbouring slices" in found.message


def test_one_file_named_twice_is_no_copy(dataset):
    assert near_copies(dataset({"path": "a.png", "copy": "a"}, {"path": "a.png", "copy": "a"})) == []
