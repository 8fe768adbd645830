"""Tests of images with a table slices.csv: class, patient, institution, sequence and outline of each."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from gadolin.datasets import scan
from gadolin.errors import DataError
from gadolin.records import NO_LESION

HEAD = "path,label,patient,institution,sequence,outline,note"


@pytest.fixture
def tabled(small_phantoms, tmp_path):
    """Write three images, a mask and a table of the given rows below a folder."""
    folder = tmp_path / "hospitals"
    folder.mkdir()
    for number, path in enumerate(sorted((small_phantoms / "Training" / "glioma").iterdir())[:3], start=1):
        shutil.copy(path, folder / f"{number}.png")
    cv2.imwrite(str(folder / "mask.png"), np.zeros((256, 256), np.uint8))

    def write(*rows, head=HEAD):
        (folder / "slices.csv").write_text("\n".join([head, *rows]) + "\n")
        return folder

    return write


def test_all_columns_come_from_the_table(tabled):
    folder = tabled("1.png,glioma,p1,CS,T1c,mask.png,x", "2.png,no_tumor,p2,DU,FLAIR,none,", "3.png,tumour,,,,,")
    found = scan(folder)
    told = [(one.path.name, one.label, one.patient, one.institution, one.sequence) for one in found.records]
    assert told == [
        ("1.png", "glioma", "p1", "CS", "T1c"),
        ("2.png", "notumor", "p2", "DU", "FLAIR"),
        ("3.png", "tumor", "", "", ""),
    ]
    assert [one.outline for one in found.records] == [str(folder / "mask.png"), NO_LESION, ""]
    assert {one.source for one in found.records} == {"hospitals"}
    assert found.renamed == {"no_tumor": "notumor", "tumour": "tumor"}
    assert not found.left_out


def test_paths_may_count_from_the_folder_that_holds_it(tabled):
    found = scan(tabled("hospitals/1.png,glioma,p1,CS,T1c,hospitals/mask.png,"))
    assert [(one.path.name, one.outlined) for one in found.records] == [("1.png", True)]


def test_what_is_missing_or_not_listed_is_told(tabled):
    found = scan(tabled("1.png,glioma,,,,,", "9.png,glioma,,,,,"))
    assert [(Path(one.path).name, one.code) for one in found.errors] == [("9.png", "cannot_open")]
    assert {Path(one.path).name for one in found.left_out} == {"2.png", "3.png", "mask.png"}


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        (["1.png,glioma,p1,CS,T9,none,"], "annotations_row_invalid"),
        (["1.png,,p1,CS,T1,none,"], "annotations_row_invalid"),
        (["1.png,glioma,p1,CS,T1,lost.png,"], "outline_missing"),
        (["9.png,glioma,,,,,"], "annotations_match_nothing"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(tabled, rows, code):
    with pytest.raises(DataError) as refused:
        scan(tabled(*rows))
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("content", "code"), [(b"path,class\n", "annotations_column_missing"), (b"\xff\xfe", "annotations_unreadable")]
)
def test_a_table_that_is_none_is_refused(tabled, content, code):
    folder = tabled()
    (folder / "slices.csv").write_bytes(content)
    with pytest.raises(DataError) as refused:
        scan(folder)
    assert refused.value.code == code


def test_a_rule_for_patients_is_not_needed(tabled):
    with pytest.raises(DataError) as refused:
        scan(tabled("1.png,glioma,p1,CS,T1c,none,"), patient_from="parent")
    assert refused.value.code == "patient_rule_not_needed"
