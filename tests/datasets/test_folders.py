"""Tests of a folder scan: splits, classes and patients from the layout, images by content, every omission reported."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets.layouts.class_folders import PART_NAMES
from gadolin.datasets.layouts.folders import scan_folder
from gadolin.errors import DataError
from gadolin.readers.file_types import file_kind
from gadolin.readers.raster import FORMATS


def encoded(kind="PNG", value=90):
    out = io.BytesIO()
    Image.fromarray(np.full((16, 16), value, np.uint8)).save(out, format=kind)
    return out.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Write images, each of another grey, below a folder and return it."""

    def make(*names):
        for number, name in enumerate(names):
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(encoded(value=number % 256))
        return tmp_path / "data"

    return make


def seen(found):
    return [(path_below(found, record), record.split, record.label) for record in found.records]


def told(failures):
    return [(Path(one.path).name, one.code) for one in failures]


def path_below(found, record):
    return record.path.relative_to(found.root).as_posix()


def test_folders_named_by_class_are_the_classes(folder):
    found = scan_folder(folder("glioma/b.png", "glioma/a.png", "notumor/deep/c.png"))
    assert found.kind == "classes"
    assert seen(found) == [
        ("glioma/a.png", "", "glioma"),
        ("glioma/b.png", "", "glioma"),
        ("notumor/deep/c.png", "", "notumor"),
    ]


def test_part_folders_above_the_classes_name_the_split(folder):
    found = scan_folder(folder("Training/glioma/a.png", "Testing/glioma/b.png", "val/notumor/c.png"))
    assert found.kind == "parts"
    assert sorted(seen(found)) == [
        ("Testing/glioma/b.png", "test", "glioma"),
        ("Training/glioma/a.png", "train", "glioma"),
        ("val/notumor/c.png", "validation", "notumor"),
    ]


@pytest.mark.parametrize(("name", "split"), PART_NAMES.items())
def test_every_usual_name_of_a_part_is_known(folder, name, split):
    (record,) = scan_folder(folder(f"{name.upper()}/glioma/a.png")).records
    assert record.split == split


def test_spellings_of_a_class_are_folded_and_told(folder):
    found = scan_folder(folder("Training/no_tumor/a.png", "Testing/notumor/b.png", "Testing/Schwannoma/c.png"))
    assert found.classes == ("Schwannoma", "notumor")
    assert found.renamed == {"no_tumor": "notumor"}


def test_every_record_has_the_digest_of_its_file(folder):
    for record in scan_folder(folder("glioma/a.png", "notumor/b.png")).records:
        assert record.digest == hashlib.sha256(record.path.read_bytes()).hexdigest()


@pytest.mark.parametrize("kind", FORMATS)
def test_a_picture_is_known_by_its_content(tmp_path, kind):
    path = tmp_path / "glioma" / "slice.dat"
    path.parent.mkdir()
    path.write_bytes(encoded(kind))
    assert file_kind(encoded(kind)[:16]) == kind
    assert len(scan_folder(tmp_path).records) == 1


@pytest.mark.parametrize("head", [b"", b"GIF89a", b"hello", b"RIFF1234WAVE", b"\x89PN"])
def test_other_content_is_no_picture(head):
    assert file_kind(head) is None


def test_an_empty_file_is_skipped_with_a_reason(folder):
    root = folder("glioma/a.png")
    (root / "glioma" / "b.png").touch()
    (one,) = scan_folder(root).errors
    assert (one.path, one.code) == (str(root / "glioma" / "b.png"), "empty_file")


def test_a_text_named_like_a_picture_is_skipped_with_a_reason(folder):
    root = folder("glioma/a.png")
    (root / "glioma" / "b.JPG").write_text("hello")
    assert told(scan_folder(root).errors) == [("b.JPG", "unknown_format")]


def test_other_files_beside_the_pictures_are_left_out_and_counted(folder):
    root = folder("glioma/a.png")
    (root / "glioma" / "readme.txt").write_text("hello")
    (root / "licence.txt").write_text("hello")
    found = scan_folder(root)
    assert len(found.records) == 1
    assert not found.errors
    assert told(found.left_out) == [("readme.txt", "not_a_picture"), ("licence.txt", "not_a_picture")]


def test_hidden_files_and_folders_are_left_out_and_each_file_is_counted(folder):
    names = ("glioma/a.png", "glioma/.b.png", ".git/c.png", ".git/deep/d.png", "glioma/.checkpoints/a.png")
    found = scan_folder(folder(*names))
    assert [record.path.name for record in found.records] == ["a.png"]
    assert found.as_json()["left_out_by_code"] == {"hidden": 4}


def test_a_data_set_inside_a_hidden_folder_can_be_scanned(folder, tmp_path):
    folder("glioma/a.png").rename(tmp_path / ".data")
    assert len(scan_folder(tmp_path / ".data").records) == 1


def test_the_same_folder_gives_the_same_records(folder):
    root = folder("Training/glioma/a.png", "Training/notumor/b.png", "Testing/glioma/c.png")
    assert scan_folder(root).as_json() == scan_folder(root).as_json()
    assert scan_folder(root).records == scan_folder(root).records


def test_progress_counts_every_file(folder):
    root = folder("glioma/a.png", "glioma/b.png")
    (root / "glioma" / "notes.txt").write_text("x")
    steps = []
    scan_folder(root, progress=lambda done, total, what: steps.append((done, total)))
    assert steps == [(1, 3), (2, 3), (3, 3)]


def test_pictures_in_no_class_folder_are_told(folder):
    root = folder("a.png", "Training/b.png", "Training/glioma/c.png")
    (root / "README.txt").write_text("no slice")
    (root / ".hidden.png").write_bytes((root / "a.png").read_bytes())
    (root / "_SUCCESS").touch()
    found = scan_folder(root)
    assert told(found.left_out) == [
        (".hidden.png", "hidden"),
        ("README.txt", "not_a_picture"),
        ("b.png", "in_no_class_folder"),
        ("_SUCCESS", "not_a_picture"),
        ("a.png", "in_no_class_folder"),
    ]
    assert [record.path.name for record in found.records] == ["c.png"]

    alone = root / "Training" / "glioma"
    with pytest.raises(DataError) as caught:
        scan_folder(alone)
    assert caught.value.code == "layout_unknown"
    assert f"none of 1 files in {alone} could be used, such as c.png" in str(caught.value)


def test_a_folder_without_class_folders_is_refused(tmp_path):
    root = tmp_path / "data"
    root.mkdir()
    with pytest.raises(DataError) as caught:
        scan_folder(root)
    assert str(caught.value) == (
        "a data folder must hold one folder of images per class, or Training/ and Testing/ with such folders, "
        f"no image was found in {root}; see the README for the layout"
    )


def test_a_folder_none_of_whose_pictures_can_be_read_names_one(folder):
    root = folder("glioma/a.png")
    (root / "glioma" / "a.png").write_text("no picture")
    with pytest.raises(DataError) as caught:
        scan_folder(root)
    assert caught.value.code == "layout_unknown"
    assert "a.png: " in str(caught.value)


def test_a_file_that_may_not_be_read_is_named_and_the_rest_is_taken(folder, monkeypatch):
    opened = Path.open

    def refuse(path, *arguments):
        if path.name == "a.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return opened(path, *arguments)

    root = folder("glioma/a.png", "glioma/b.png")
    monkeypatch.setattr(Path, "open", refuse)
    found = scan_folder(root)
    assert told(found.errors) == [("a.png", "cannot_open")]
    assert "Permission denied" in found.errors[0].reason
    assert [record.path.name for record in found.records] == ["b.png"]


def test_without_a_rule_no_patient_is_guessed(folder):
    assert [record.patient for record in scan_folder(folder("glioma/p1/a.png", "glioma/p2/b.png")).records] == ["", ""]


def test_the_folder_of_a_picture_may_name_its_patient(folder):
    found = scan_folder(folder("Training/glioma/p1/a.png", "Training/glioma/p2/b.png"), patient_from="parent")
    assert [record.patient for record in found.records] == ["p1", "p2"]


def test_a_picture_directly_in_its_class_has_no_parent_patient(folder):
    root = folder("glioma/a.png")
    with pytest.raises(DataError) as caught:
        scan_folder(root, patient_from="parent")
    assert str(caught.value) == (
        f"--patient-from parent needs a folder per patient in glioma/, {root}/glioma/a.png is directly in it; "
        "choose another rule"
    )


def test_an_expression_may_find_the_patient_in_the_path(folder):
    found = scan_folder(folder("glioma/sub-03_t1.png", "notumor/sub-11_t1.png"), patient_from=r"sub-(\d+)_")
    assert [record.patient for record in found.records] == ["03", "11"]


@pytest.mark.parametrize("pattern", [r"case-(\d+)", r"sub-\d+", r"(sub)-(\d+)", r"sub-03()"])
def test_an_expression_must_find_one_patient_in_every_path(folder, pattern):
    root = folder("glioma/sub-03.png")
    with pytest.raises(DataError) as caught:
        scan_folder(root, patient_from=pattern)
    assert str(caught.value) == (
        f"--patient-from must match every path with one group, {pattern!r} finds no patient in "
        f"{root}/glioma/sub-03.png; correct it"
    )


def test_an_expression_that_is_none_is_refused(folder):
    with pytest.raises(DataError) as caught:
        scan_folder(folder("glioma/a.png"), patient_from="(")
    assert caught.value.code == "patient_rule_invalid"
    assert "'('" in caught.value.got


def test_files_of_other_formats_are_left_out_and_told(folder):
    root = folder("glioma/a.png")
    (root / "glioma" / "b.nrrd").write_bytes(b"NRRD0004\n" * 9)
    assert told(scan_folder(root).left_out) == [("b.nrrd", "not_a_picture")]


def test_a_file_name_that_cannot_be_written_down_is_skipped_with_a_reason(folder):
    root = folder("glioma/a.png")
    os.rename(root / "glioma" / "a.png", os.fsencode(root / "glioma") + b"/M\xfcller.png")  # noqa: PTH104
    folder("glioma/b.png")
    (one,) = scan_folder(root).errors
    assert one.code == "file_name_not_utf8"
