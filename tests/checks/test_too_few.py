"""Tests of the check for too little data."""

from __future__ import annotations

import shutil

import pytest

from gadolin.checks.classes import too_few
from gadolin.errors import DataError
from gadolin.workflows.audit import audit


def test_a_single_picture_is_one_serious_finding_and_the_verdict(small_phantoms, tmp_path):
    (tmp_path / "glioma").mkdir()
    shutil.copy(next((small_phantoms / "Training" / "glioma").iterdir()), tmp_path / "glioma")
    found = audit(tmp_path)
    assert [one.kind for one in found.findings if one.severity == "serious"] == ["too_few"]
    assert found.verdict.startswith("The data set holds 1 slice of 1 class")


def test_no_picture_is_one_clear_error(tmp_path):
    (tmp_path / "glioma").mkdir()
    with pytest.raises(DataError) as caught:
        audit(tmp_path)
    assert caught.value.code == "layout_unknown"


def test_pictures_of_which_none_can_be_read_are_one_clear_error(small_phantoms, tmp_path):
    whole = next((small_phantoms / "Training" / "glioma").iterdir()).read_bytes()
    (tmp_path / "glioma").mkdir()
    (tmp_path / "glioma" / "cut.png").write_bytes(whole[: len(whole) // 3])
    with pytest.raises(DataError) as caught:
        audit(tmp_path)
    assert caught.value.code == "no_readable_slice"
    assert "glioma/cut.png: " in str(caught.value)


def test_a_class_of_few_slices_is_a_warning(dataset):
    (found,) = too_few(dataset(*[{"label": "glioma"}] * 20, {"label": "notumor"}))
    assert (found.severity, found.score) == ("warning", 1)
    assert "no tumour has 1" in found.message


def test_classes_of_enough_slices_are_fine(dataset):
    assert too_few(dataset(*[{"label": name} for name in ("glioma", "notumor") for _ in range(20)])) == []
