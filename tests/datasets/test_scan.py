"""Tests of recognising a data set (a manifest, a folder with one, or class folders) and of what training needs."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gadolin.datasets import Scan, require_trainable, scan
from gadolin.datasets.manifest import read_manifest
from gadolin.errors import DataError, ReadError
from gadolin.phantoms import CLASSES
from gadolin.records import Failure, Record


@pytest.fixture
def folders(small_phantoms, tmp_path):
    """Copy the phantoms without manifest and outlines."""
    for part in ("Training", "Testing"):
        shutil.copytree(small_phantoms / part, tmp_path / part)
    return tmp_path


def test_a_manifest_is_read(small_phantoms):
    found = scan(small_phantoms / "manifest.csv")
    assert found.kind == "manifest"
    assert found.root == small_phantoms / "manifest.csv"
    assert list(found.records) == read_manifest(small_phantoms / "manifest.csv")


def test_a_folder_that_holds_a_manifest_is_read_by_it(small_phantoms):
    assert scan(small_phantoms).records == scan(small_phantoms / "manifest.csv").records


def test_folders_are_scanned_where_there_is_no_manifest(folders):
    found = scan(folders)
    assert found.kind == "parts"
    assert found.classes == CLASSES


def test_folders_and_manifest_of_one_data_set_agree(small_phantoms, folders):
    by_manifest, by_folder = (
        {(record.digest, record.label, record.split) for record in scan(where).records}
        for where in (small_phantoms, folders)
    )
    assert by_manifest == by_folder


def test_patients_and_progress_are_handed_on(folders):
    told = []
    found = scan(folders, patient_from=r"([^/]+)-\d+\.png$", progress=lambda *count: told.append(count))
    assert len({record.patient for record in found.records}) == 16
    assert told[-1] == (32, 32, "scanning")


def test_data_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError) as caught:
        scan(tmp_path / "gone")
    assert str(caught.value) == (
        f"the data must be a folder or a manifest CSV, {tmp_path / 'gone'} does not exist; check the path"
    )


def test_a_manifest_names_its_own_patients(small_phantoms):
    with pytest.raises(DataError) as caught:
        scan(small_phantoms, patient_from="parent")
    assert str(caught.value) == (
        "patient_from is only for folders without patient ids, "
        f"the manifest {small_phantoms / 'manifest.csv'} has a column for them; leave it out"
    )


def record(label, split="", patient=""):
    return Record(Path("a.png"), label, patient=patient, split=split)


def failure(path, code):
    return Failure(path, ReadError(code=code, rule="it is so"))


def test_a_scan_is_told_as_counts():
    found = Scan(
        Path("data"),
        "parts",
        (record("b", "train", "1"), record("a", "train", "1"), record("b", "test"), record("b", "test", "2")),
        {"B": "b"},
        (failure("x.png", "empty_file"),),
        (failure("y.dcm", "localiser"), failure("z.dcm", "localiser"), failure("t.txt", "not_a_picture")),
    )
    assert found.as_json() == {
        "data": "data",
        "base": ".",
        "kind": "parts",
        "release": None,
        "slices": 4,
        "classes": ["a", "b"],
        "parts": {"test": {"a": 0, "b": 2}, "train": {"a": 1, "b": 1}},
        "patients": 2,
        "slices_without_patient": 1,
        "renamed": {"B": "b"},
        "errors": [{"path": "x.png", "frame": None, "code": "empty_file", "error": "x.png: it is so"}],
        "errors_by_code": {"empty_file": 1},
        "left_out": [
            {"path": "y.dcm", "code": "localiser", "reason": "it is so"},
            {"path": "z.dcm", "code": "localiser", "reason": "it is so"},
            {"path": "t.txt", "code": "not_a_picture", "reason": "it is so"},
        ],
        "left_out_by_code": {"localiser": 2, "not_a_picture": 1},
    }


def test_unknown_patients_are_not_counted_as_none():
    told = Scan(Path("data"), "classes", (record("a"), record("b"))).as_json()
    assert told["patients"] is None
    assert told["slices_without_patient"] == 2
    assert told["parts"] == {"all": {"a": 1, "b": 1}}


def test_two_classes_without_a_skipped_file_can_be_trained_on():
    require_trainable(Scan(Path("data"), "classes", (record("a"), record("b"))))


def test_one_class_cannot_be_trained_on():
    with pytest.raises(DataError) as caught:
        require_trainable(Scan(Path("data"), "classes", (record("glioma"),)))
    assert str(caught.value) == (
        "training needs two classes or more, data holds one, 'glioma'; use one folder per class"
    )


@pytest.mark.parametrize("count", [1, 3])
def test_skipped_files_stop_training_unless_it_is_allowed(count, caplog):
    skipped = tuple(failure(f"{number}.png", "empty_file") for number in range(count))
    found = Scan(Path("data"), "classes", (record("a"), record("b")), errors=skipped)
    with pytest.raises(DataError) as caught:
        require_trainable(found)
    assert (caught.value.code, caught.value.path) == ("unreadable_files", "0.png")
    assert f"{count} are not (empty_file {count})" in caught.value.got
    assert "--skip-unreadable" in caught.value.remedy
    require_trainable(found, skip_unreadable=True)
    assert caplog.messages[0] == f"left out: {count} (empty_file {count})"
