"""Tests of a written folder: layout, manifest, faults, and that an incomplete one is recognised."""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter, defaultdict
from dataclasses import replace

import cv2
import numpy as np
import pytest
from pydicom import dcmread

from gadolin.datasets import scan
from gadolin.errors import DataError, RequestError
from gadolin.phantoms import CLASSES, FAULTS, PhantomPlan, draw_patient, write_phantoms

COLUMNS = ["path", "label", "patient", "group", "source", "split", "fold", "outline", "digest"]
SMALL = PhantomPlan(patients=4, slices=2, size=64, seed=3)


def table(manifest):
    with manifest.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def grey(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clean")
    write_phantoms(folder, SMALL)
    return folder


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faulty")
    write_phantoms(folder, PhantomPlan(patients=4, slices=2, size=64, seed=3, faults=FAULTS))
    return folder


@pytest.mark.slow
def test_the_manifest_has_exactly_the_agreed_columns(clean):
    header = (clean / "manifest.csv").read_text().splitlines()[0]
    assert header.split(",") == COLUMNS


def test_the_manifest_lists_every_picture_with_its_true_digest(clean):
    rows = table(clean / "manifest.csv")
    found = {p.relative_to(clean).as_posix() for part in ("Training", "Testing") for p in (clean / part).rglob("*.*")}
    assert {row["path"] for row in rows} == found
    assert len(rows) == len(found) == 4 * 4 * 2
    for row in rows:
        assert hashlib.sha256((clean / row["path"]).read_bytes()).hexdigest() == row["digest"]
        assert row["path"].split("/")[:2] == [
            {"train": "Training", "test": "Testing"}[row["split"]],
            row["label"],
        ]
        assert (row["source"], row["group"], row["fold"]) == ("phantom", "", "")


def test_every_class_is_in_both_parts_and_no_patient_in_two(clean):
    rows = table(clean / "manifest.csv")
    assert {(row["label"], row["split"]) for row in rows} == {(c, s) for c in CLASSES for s in ("train", "test")}
    splits, labels = defaultdict(set), defaultdict(set)
    for row in rows:
        splits[row["patient"]].add(row["split"])
        labels[row["patient"]].add(row["label"])
    assert all(len(found) == 1 for found in (*splits.values(), *labels.values()))


def test_outlines_are_black_and_white_and_absent_without_a_lesion(clean):
    for row in table(clean / "manifest.csv"):
        assert bool(row["outline"]) == (row["label"] != "notumor")
        if row["outline"]:
            mask, pixels = grey(clean / row["outline"]), grey(clean / row["path"])
            assert mask.shape == pixels.shape == (64, 64)
            assert set(np.unique(mask)) == {0, 255}


def test_a_file_holds_the_slice_that_is_drawn(clean):
    drawn = draw_patient("glioma", 0, seed=3, slices=2, size=64)
    row = next(r for r in table(clean / "manifest.csv") if r["patient"] == drawn[0].patient)
    assert np.array_equal(grey(clean / row["path"]), drawn[0].pixels)
    assert np.array_equal(grey(clean / row["outline"]) > 0, drawn[0].mask)


def test_a_clean_folder_has_no_list_of_faults(clean):
    assert not (clean / "faults.json").exists()


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.slow
def test_the_bytes_do_not_depend_on_the_number_of_workers(faulty, tmp_path, monkeypatch, workers):
    monkeypatch.setattr("os.cpu_count", lambda: workers)
    write_phantoms(tmp_path, PhantomPlan(patients=4, slices=2, size=64, seed=3, faults=FAULTS))
    assert contents(tmp_path) == contents(faulty)


def test_progress_counts_up_to_the_total(tmp_path):
    seen = []
    write_phantoms(tmp_path, PhantomPlan(patients=2, slices=1, size=64), progress=lambda *s: seen.append(s))
    assert seen == [(number, 8, "drawing") for number in range(1, 9)]


def test_a_folder_that_holds_something_is_refused_untouched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(DataError) as caught:
        write_phantoms(tmp_path, SMALL)
    assert caught.value.code == "output_not_empty"
    assert contents(tmp_path) == {"mine.txt": b"mine"}


def test_a_run_that_fails_halfway_leaves_no_manifest(tmp_path):
    def stop(done, total, what):
        if done > 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_phantoms(tmp_path, SMALL, progress=stop)
    assert not (tmp_path / "manifest.csv").exists()


@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_both_parts_have_patients_however_small_the_fraction(tmp_path, fraction):
    plan = PhantomPlan(patients=2, slices=1, size=64, test_fraction=fraction)
    rows = table(write_phantoms(tmp_path, plan))
    assert Counter(row["split"] for row in rows) == {"train": 4, "test": 4}


def test_planted_copies_are_copies_and_mirrors_are_mirrored(faulty):
    planted = json.loads((faulty / "faults.json").read_text())
    rows = {row["path"]: row for row in table(faulty / "manifest.csv")}
    assert set(planted) == set(FAULTS)
    assert all(len(entries) >= 2 for entries in planted.values())
    for kind, turn in (("copies", np.array), ("mirrors", np.fliplr)):
        for entry in planted[kind]:
            copy, original = rows[entry["path"]], rows[entry["of"]]
            assert (copy["split"], original["split"]) == ("test", "train")
            assert (copy["label"], copy["patient"]) == (original["label"], original["patient"])
            for column in ("path", "outline"):
                assert bool(copy[column]) == bool(original[column])
                if copy[column]:
                    assert np.array_equal(grey(faulty / copy[column]), turn(grey(faulty / original[column])))
            assert hashlib.sha256((faulty / copy["path"]).read_bytes()).hexdigest() == copy["digest"]
            assert (copy["digest"] == original["digest"]) == (kind == "copies")


def test_planted_wrong_labels_are_wrong(clean, faulty):
    planted = json.loads((faulty / "faults.json").read_text())["labels"]
    truth = {row["digest"]: row["label"] for row in table(clean / "manifest.csv")}
    rows = {row["path"]: row for row in table(faulty / "manifest.csv")}
    for entry in planted:
        row = rows[entry["path"]]
        assert row["label"] == entry["path"].split("/")[1] != entry["true_label"]
        assert truth[row["digest"]] == entry["true_label"]
    wrong = [row for row in rows.values() if row["digest"] in truth and truth[row["digest"]] != row["label"]]
    assert len(wrong) == len(planted)


def test_planted_unreadable_files_cannot_be_read_and_are_in_no_manifest(faulty):
    planted = json.loads((faulty / "faults.json").read_text())["unreadable"]
    rows = {row["path"] for row in table(faulty / "manifest.csv")}
    for entry in planted:
        path = faulty / entry["path"]
        assert path.is_file()
        assert path.parent.name in CLASSES
        assert entry["path"] not in rows
        if entry["how"] == "truncated":
            assert path.read_bytes().startswith(b"\x89PNG")
            assert b"IEND" not in path.read_bytes()
        elif entry["how"] == "empty":
            assert path.stat().st_size == 0
        else:
            assert path.suffix == ".jpg"


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_asked_for_alone_comes_alone(tmp_path, fault):
    write_phantoms(tmp_path, PhantomPlan(patients=2, slices=1, size=64, faults=(fault,)))
    planted = json.loads((tmp_path / "faults.json").read_text())
    assert list(planted) == [fault]
    assert len(planted[fault]) == 2


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"patients": 1}, "value_out_of_range"),
        ({"slices": 0}, "value_out_of_range"),
        ({"size": 32}, "value_out_of_range"),
        ({"seed": -1}, "value_out_of_range"),
        ({"test_fraction": 0.0}, "share_out_of_range"),
        ({"test_fraction": 1.0}, "share_out_of_range"),
        ({"test_fraction": float("nan")}, "share_out_of_range"),
        ({"faults": ("mirrors", "copy")}, "fault_unknown"),
    ],
)
def test_a_plan_with_a_wrong_value_is_refused(values, code):
    with pytest.raises(RequestError) as caught:
        PhantomPlan(**values)
    assert caught.value.code == code
    assert {"test_fraction": "test", "faults": "fault"}.get(next(iter(values)), next(iter(values))) in caught.value.rule


@pytest.mark.slow
def test_each_patient_can_be_a_dicom_series_of_the_same_slices(clean, tmp_path):
    manifest = write_phantoms(str(tmp_path / "dicom"), replace(SMALL, dicom=True))
    found = scan(manifest)
    assert [record.label for record in found.records] == [record.label for record in scan(clean).records]
    series = defaultdict(set)
    for record in found.records:
        header = dcmread(record.path)
        series[record.path.parent].add((header.StudyInstanceUID, header.SeriesInstanceUID, header.PatientID))
        assert header.PatientID == record.patient == record.path.parent.name
        png = record.path.parent.with_name(f"{record.patient}-{record.path.stem}.png").relative_to(tmp_path / "dicom")
        assert np.array_equal(header.pixel_array, grey(clean / png))
    assert [len(each) for each in series.values()] == [1] * 16
    assert len(set.union(*series.values())) == 16


def test_faults_in_dicom_series_are_refused():
    with pytest.raises(RequestError) as raised:
        PhantomPlan(faults=("copies",), dicom=True)
    assert raised.value.code == "options_exclude_each_other"
