"""Tests of where a scan looks for classes and splits, and of the files that it reports as left out."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gadolin.cli import main
from gadolin.datasets import require_trainable, scan
from gadolin.errors import DataError
from nobody import as_nobody, closed, shared_folder


def picture(path, value=90):
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    Image.fromarray(np.full((16, 16), value, np.uint8)).save(out, format="PNG")
    path.write_bytes(out.getvalue())


@pytest.fixture
def folder(tmp_path):
    """Write images, each of another grey, below a folder and return it."""

    def make(*names):
        for number, name in enumerate(names):
            picture(tmp_path / "data" / name, number % 256)
        return tmp_path / "data"

    return make


def seen(found):
    return [(record.path.relative_to(found.root).as_posix(), record.split, record.label) for record in found.records]


def by_code(found):
    told = found.as_json()
    return told["errors_by_code"], told["left_out_by_code"]


def test_parts_are_known_in_any_case_and_in_every_usual_name(folder):
    found = scan(folder("Train/glioma/a.png", "TEST/glioma/b.png", "validate/glioma/c.png", "tRain_sEt/no/d.png"))
    assert sorted((split, label) for _, split, label in seen(found)) == [
        ("test", "glioma"),
        ("train", "glioma"),
        ("train", "notumor"),
        ("validation", "glioma"),
    ]


def test_a_folder_beside_the_parts_is_told_file_by_file(folder):
    root = folder("Training/glioma/a.png", "Testing/glioma/b.png", "extra/glioma/c.png", "glioma/d.png")
    (root / "extra" / "notes.txt").write_text("hello")
    found = scan(root)
    assert len(found.records) == 2
    assert [(Path(one.path).name, one.code) for one in found.left_out] == [
        ("c.png", "in_no_part"),
        ("notes.txt", "not_a_picture"),
        ("d.png", "in_no_part"),
    ]


@pytest.mark.parametrize("inside", ["data", "top/data", "mri/deep/er"])
def test_a_folder_that_holds_one_folder_and_no_slice_is_descended_into(inside, folder):
    root = folder(f"{inside}/Training/glioma/a.png", f"{inside}/Training/no/b.png", f"{inside}/Testing/glioma/c.png")
    (root / "README.md").write_text("hello")
    found = scan(root)
    assert found.kind == "parts"
    assert found.classes == ("glioma", "notumor")
    assert found.base == root / inside
    assert found.as_json()["base"] == str(root / inside)
    assert by_code(found) == ({}, {"not_a_picture": 1})


def test_classes_without_parts_are_descended_to_as_well(folder):
    assert scan(folder("data/glioma/a.png", "data/notumor/b.png")).classes == ("glioma", "notumor")


def test_one_folder_with_parts_beside_others_without_slices_is_descended_into(folder):
    root = folder("data/train/glioma/a.png", "data/test/glioma/b.png")
    (root / "docs").mkdir()
    (root / "docs" / "page.html").write_text("hello")
    found = scan(root)
    assert {record.split for record in found.records} == {"train", "test"}
    assert by_code(found) == ({}, {"not_a_picture": 1})


def test_a_picture_beside_the_only_folder_does_not_make_a_class_of_its_parts(folder):
    found = scan(folder("cover.png", "data/train/glioma/a.png", "data/test/no/b.png"))
    assert found.classes == ("glioma", "notumor")
    assert by_code(found) == ({}, {"in_no_class_folder": 1})


@pytest.mark.parametrize(
    "names", [("a/train/x/a.png", "b/train/x/b.png"), ("a/train/x/a.png", "a/test/x/c.png", "b/b.png")]
)
def test_of_several_folders_with_slices_none_is_descended_into(names, folder):
    with pytest.raises(DataError) as caught:
        scan(folder(*names))
    assert caught.value.code == "classes_in_class"


@pytest.mark.parametrize(
    "names",
    [
        ("glioma/p1/a.png", "glioma/p2/b.png"),  # class folder, with patient folders
        ("train/glioma/a.png",),  # split folder
        ("schwannoma/a.png",),  # folder of slices
    ],
)
def test_a_single_folder_that_is_a_class_or_a_part_is_not_descended_into(names, folder):
    root = folder(*names)
    found = scan(root)
    assert found.base == root
    assert len(found.records) == len(names)
    assert len(found.classes) == 1


def test_a_manifest_one_folder_deeper_is_found(small_phantoms, tmp_path):
    (tmp_path / "top").mkdir()
    (tmp_path / "top" / "data").symlink_to(small_phantoms)
    assert scan(tmp_path / "top").kind == "manifest"


def test_a_folder_that_leads_back_to_itself_has_no_data_and_comes_to_an_end(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "loop").symlink_to(".")
    with pytest.raises(DataError) as caught:
        scan(tmp_path / "data")
    assert caught.value.code == "layout_unknown"


def test_thumbnails_of_a_file_server_are_neither_slices_nor_a_class(folder):
    root = folder(
        "glioma/a.png", "glioma/@eaDir/a.png/SYNOPHOTO_THUMB_M.jpg", "@eaDir/glioma/x.png", "thumbnails/a.png",
        "notumor/b.png",
    )  # fmt: skip
    found = scan(root)
    assert found.classes == ("glioma", "notumor")
    assert len(found.records) == 2
    assert by_code(found) == ({}, {"housekeeping": 3})


@pytest.mark.parametrize("text", ["BM is how this text begins", "II* begins like a TIFF", "MATLAB 5.0 MAT-file notes"])
def test_a_text_that_begins_like_a_picture_is_no_slice(text, folder):
    root = folder("glioma/a.png")
    (root / "glioma" / "notes.txt").write_text(f"{text}. {'More words. ' * 60}")
    found = scan(root)
    assert len(found.records) == 1
    assert by_code(found) == ({}, {"not_a_picture": 1})


def test_classes_linked_into_parts_are_taken_there_and_a_link_takes_no_class_from_its_place(folder):
    root = folder("all/glioma/a.png", "all/notumor/b.png")
    (root / "Training").mkdir()
    (root / "Training" / "glioma").symlink_to("../all/glioma")
    (root / "Training" / "notumor").symlink_to("../all/notumor")
    (root / "all" / "glioma" / "other").symlink_to("../notumor")
    assert [(label, split) for _, split, label in seen(scan(root))] == [("glioma", "train"), ("notumor", "train")]


def test_an_unlisted_slice_beside_a_manifest_is_told_and_what_it_names_is_not(small_phantoms, tmp_path):
    for path in small_phantoms.rglob("*"):
        if path.is_file():
            target = tmp_path / path.relative_to(small_phantoms)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    assert not scan(tmp_path).left_out
    picture(tmp_path / "extra.png")
    (tmp_path / "gone.png").symlink_to("nowhere")
    found = scan(tmp_path)
    assert by_code(found) == ({"broken_link": 1}, {"not_in_manifest": 1})
    assert not scan(tmp_path / "manifest.csv").left_out


@pytest.fixture
def shared():
    """A data set of three classes that another user can read."""
    with shared_folder() as root:
        for number, name in enumerate(("glioma/a.png", "meningioma/b.png", "notumor/c.png")):
            picture(root / name, number)
        yield root


def test_a_class_folder_that_may_not_be_entered_is_named_and_stops_training(shared):
    def work():
        found = scan(shared)
        stopped = ""
        try:
            require_trainable(found)
        except DataError as error:
            stopped = f"{error.code} {error.path}"
        require_trainable(found, skip_unreadable=True)
        return [list(found.classes), [(one.path, one.code) for one in found.errors], stopped]

    assert work() == [["glioma", "meningioma", "notumor"], [], ""]
    gone = shared / "meningioma"
    with closed(gone):
        assert as_nobody(work) == [
            ["glioma", "notumor"],
            [[str(gone), "cannot_enter"]],
            f"unreadable_files {gone}",
        ]


def test_a_slice_that_may_not_be_read_is_named_and_the_rest_is_taken(shared):
    def work():
        found = scan(shared)
        return [len(found.records), [(Path(one.path).name, one.code) for one in found.errors]]

    assert work() == [3, []]
    with closed(shared / "glioma" / "a.png"):
        assert as_nobody(work) == [2, [["a.png", "cannot_open"]]]


def test_a_data_folder_that_may_not_be_entered_is_refused(shared):
    def work():
        try:
            scan(shared)
        except DataError as error:
            return error.code
        return ""

    assert work() == ""
    with closed(shared):
        assert as_nobody(work) == "cannot_enter"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_scan_finishes_and_exits_with_1_where_a_folder_may_not_be_entered(shared, form, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["gadolin", "scan", str(shared), *form])

    def work():
        out, err = io.StringIO(), io.StringIO()
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as ending:
                return [ending.code or 0, out.getvalue(), err.getvalue()]

    assert work()[0] == 0
    with closed(shared / "meningioma"):
        code, out, err = as_nobody(work)
    assert code == 1
    assert str(shared / "meningioma") in err
    if form:
        assert json.loads(out)["errors_by_code"] == {"cannot_enter": 1}
        assert json.loads(out)["classes"] == ["glioma", "notumor"]
    else:
        assert "cannot be read: 1 (cannot_enter 1)" in out


def test_a_row_whose_file_is_gone_does_not_end_the_others_and_is_told_once(folder):
    root = folder("a.png", "b.png")
    (root / "gone.png").symlink_to("nowhere.png")
    (root / "folder.png").mkdir()
    rows = ["a.png,glioma", "gone.png,glioma", "folder.png,notumor", f"{'x' * 300}.png,notumor", "b.png,notumor"]
    (root / "manifest.csv").write_text("\n".join(["path,label", *rows]))
    found = scan(root)
    assert [record.path.name for record in found.records] == ["a.png", "b.png"]
    assert by_code(found) == ({"manifest_file_missing": 3}, {})
    assert "row 3" in found.errors[0].reason
    with pytest.raises(DataError) as caught:
        require_trainable(found)
    assert caught.value.code == "unreadable_files"


def test_a_manifest_none_of_whose_files_is_there_is_refused(folder):
    root = folder("a.png")
    (root / "manifest.csv").write_text("path,label\ngone.png,glioma\nmissing.png,notumor\n")
    with pytest.raises(DataError) as caught:
        scan(root)
    assert caught.value.code == "manifest_file_missing"


def test_words_beside_the_name_of_a_part_do_not_hide_it(folder):
    found = scan(folder("Training-Data/no/a.png", "test_images/no/b.png", "ValidationImages/no/c.png"))
    assert {split for _, split, _ in seen(found)} == {"train", "test", "validation"}


@pytest.mark.parametrize(
    "names",
    [
        ("fold1/glioma/a.png", "fold1/no/b.png", "fold2/glioma/c.png", "fold2/no/d.png"),
        ("yes/a.png", "no/b.png", "brain_tumor_dataset/yes/a.png", "brain_tumor_dataset/no/b.png"),
        ("data/images/glioma/a.png", "data/images/no/b.png", "figures/fig1.png"),
        ("Training/data/glioma/a.png", "Training/data/no/b.png", "Testing/glioma/c.png"),
        ("a/Training/glioma/a.png", "a/Testing/no/b.png", "b/Training/glioma/c.png", "b/Testing/no/d.png"),
    ],
)
def test_a_folder_that_holds_classes_of_its_own_is_never_taken_for_one_class(folder, names):
    with pytest.raises(DataError) as caught:
        scan(folder(*names))
    assert caught.value.code == "classes_in_class"


@pytest.mark.parametrize(
    "names",
    [
        ("top/data/Training/no/a.png", "top/data/Training/glioma/b.png"),
        ("top/data/Training/no/a.png", "top/data/Testing/glioma/b.png"),
        ("top/no/a.png", "top/glioma/b.png"),
    ],
)
def test_data_deeper_down_beside_folders_without_slices_is_found_and_the_rest_told(folder, names):
    root = folder(*names, "top/figure.png")
    for text in ("README.md", "docs/notes.txt", "top/LICENSE"):
        (root / text).parent.mkdir(exist_ok=True)
        (root / text).write_text("words")
    found = scan(root)
    assert {label for _, _, label in seen(found)} == {"glioma", "notumor"}
    assert found.base == root / names[0].split("/no")[0].removesuffix("/Training")
    assert by_code(found) == ({}, {"not_a_picture": 3, "in_no_class_folder": 1})


def test_patients_and_kinds_within_a_class_stay_within_it(folder):
    found = scan(folder("astrocytoma/P1/normal/a.png", "tumor/glioma/b.png", "tumor/meningioma/c.png"))
    assert [label for _, _, label in seen(found)] == ["astrocytoma", "tumor", "tumor"]


def test_a_link_back_above_the_data_counts_no_file_twice(folder):
    """A second walk finds the data one folder down; it must not count the files of the first walk again."""
    root = folder("archive/train/glioma/a.png", "archive/train/no/b.png", "loose.png")
    (root / "archive" / "train" / "no" / "loop").symlink_to(root, target_is_directory=True)
    (root / "docs").mkdir()
    found = scan(root)
    assert [name for name, _, _ in seen(found)] == ["archive/train/glioma/a.png", "archive/train/no/b.png"]
    assert by_code(found) == ({}, {"folder_entered_before": 1, "in_no_class_folder": 1})
