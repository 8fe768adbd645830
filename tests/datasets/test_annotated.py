"""Tests of images with a table: class, patient and fold come from the table."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gadolin.datasets import scan
from gadolin.errors import DataError

HEAD = "number,label,patient,person,fold,border"


@pytest.fixture
def annotated(small_phantoms, tmp_path):
    """Write three images and a table of the given rows."""
    (tmp_path / "images").mkdir()
    for number, path in enumerate(sorted((small_phantoms / "Training" / "glioma").iterdir())[:3], start=1):
        shutil.copy(path, tmp_path / "images" / f"{number}.png")

    def write(*rows, head=HEAD):
        (tmp_path / "annotations.csv").write_text("\n".join([head, *rows]) + "\n")
        return tmp_path

    return write


def test_label_person_and_fold_come_from_the_table(annotated):
    found = scan(annotated('1,glioma_tumor,p1a,p1,0,"[[1,2]]"', "2,meningioma,p2,,3,", "3,glioma,,,,"))
    told = [(one.path.name, one.label, one.patient, one.fold) for one in found.records]
    assert told == [("1.png", "glioma", "p1", 0), ("2.png", "meningioma", "p2", 3), ("3.png", "glioma", "", None)]
    assert found.kind == "annotations"
    assert found.renamed == {"glioma_tumor": "glioma"}
    assert all(one.digest for one in found.records)


def test_a_picture_that_is_missing_or_broken_is_skipped_and_said_so(annotated):
    folder = annotated("1,glioma,p1,p1,0,", "2,glioma,p1,p1,0,", "9,glioma,p1,p1,0,")
    (folder / "images" / "2.png").write_text("no picture")
    found = scan(folder)
    assert [one.path.name for one in found.records] == ["1.png"]
    assert [(Path(one.path).name, one.code) for one in found.errors] == [
        ("2.png", "unknown_format"),
        ("9", "file_missing"),
    ]


def test_what_the_table_does_not_name_is_told(annotated):
    folder = annotated("1,glioma,p1,p1,0,")
    (folder / "images" / "7.png").write_bytes((folder / "images" / "1.png").read_bytes())
    (folder / "README.txt").write_text("where the slices come from")
    omitted = {Path(one.path).name: one.code for one in scan(folder).left_out}
    assert omitted["7.png"] == "not_in_annotations"
    assert omitted["README.txt"] == "not_a_picture"
    assert not {"1.png", "annotations.csv"} & set(omitted)


@pytest.mark.parametrize(
    ("rows", "head", "code"),
    [
        (["1,glioma"], "number,class", "annotations_column_missing"),
        (["1,glioma,p,p,first,"], HEAD, "annotations_row_invalid"),
        (["1,,p,p,0,"], HEAD, "annotations_row_invalid"),
        (["7,glioma,p,p,0,"], HEAD, "annotations_match_nothing"),
    ],
)
def test_a_table_that_cannot_be_used_is_one_clear_error(annotated, rows, head, code):
    with pytest.raises(DataError) as caught:
        scan(annotated(*rows, head=head))
    assert caught.value.code == code


def test_annotations_name_their_own_patients(annotated):
    with pytest.raises(DataError) as caught:
        scan(annotated("1,glioma,p1,p1,0,"), patient_from="parent")
    assert caught.value.code == "patient_rule_not_needed"
