"""Tests of ``gadolin results`` with the packaged model on phantoms."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from answered_phantoms import write_answered_series
from gadolin.dicom_results.objects import KeptResults, images_of
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.preprocessing.prepare import Preparation
from gadolin.records import NOTICE

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def phantom_series(tmp_path_factory):
    """The files of a series of which the packaged model names the tumour in most slices."""
    folder = tmp_path_factory.mktemp("series")
    write_answered_series(folder)
    return folder


@pytest.fixture
def made(gadolin, phantom_series, tmp_path):
    """The folder of results and the JSON of the command that wrote them."""
    done = gadolin("results", phantom_series, "--out", tmp_path / "results", "--json")
    assert done.code == 0
    return tmp_path / "results", json.loads(done.out)


def copy_of(phantom_series, folder):
    shutil.copytree(phantom_series, folder)
    return sorted(folder.iterdir())


def kinds(printed, *, new=True):
    return sorted(one["kind"] for one in printed["objects"] if one["new"] is new)


def numbers(report):
    """Return by image: the probabilities of its measurement group, by class."""
    found = {}
    for group in report.ContentSequence[-1].ContentSequence:
        items = group.ContentSequence
        (image,) = (
            str(item.ReferencedSOPSequence[0].ReferencedSOPInstanceUID)
            for item in items
            if item.ConceptNameCodeSequence[0].CodeValue in ("121112", "121233")
        )
        found[image] = {
            item.ConceptNameCodeSequence[0].CodeValue: float(item.MeasuredValueSequence[0].NumericValue)
            for item in items
            if item.ValueType == "NUM"
        }
    return found


def test_the_report_holds_the_numbers_of_predict(gadolin, made, phantom_series):
    folder, printed = made
    predicted = json.loads(gadolin("predict", phantom_series, "--json").out)
    predictions = predicted["predictions"]

    (report,) = (dcmread(one["path"]) for one in printed["objects"] if one["kind"] == "report")

    wanted = {
        str(dcmread(one["path"]).SOPInstanceUID): {
            **{f"p-{label}": p for label, p in one["probabilities"].items()},
            "p_tumour": one["p_tumour"],
        }
        for one in predictions
    }
    assert numbers(report) == wanted
    assert printed["answered"] == sum(one["label"] is not None for one in predictions)
    assert printed["model"] == predicted["model"]
    assert {str(path) for path in folder.iterdir()} == {one["path"] for one in printed["objects"]}


def test_the_lesions_are_those_of_the_slices_that_are_named(made):
    _, printed = made
    assert kinds(printed) == ["lesions", "report"]
    (lesions,) = (dcmread(one["path"]) for one in printed["objects"] if one["kind"] == "lesions")
    assert [one.SegmentLabel for one in lesions.SegmentSequence] == ["Evidence for meningioma"]
    assert int(lesions.NumberOfFrames) == printed["answered"]


def test_a_second_run_adds_nothing(gadolin, made, phantom_series):
    folder, first = made
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = gadolin("results", phantom_series, "--out", folder)
    assert done.code == 0
    assert NOTICE in done.err
    assert f"{first['answered']} of 6 slices are answered, {6 - first['answered']} declined" in done.err
    assert done.out.count("unchanged") == 2
    assert " new " not in done.out
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_slice_that_comes_late_makes_a_new_set_and_rejects_the_old(gadolin, phantom_series, tmp_path):
    folder, out = tmp_path / "series", tmp_path / "results"
    shutil.copytree(phantom_series, folder)
    late = sorted(folder.iterdir())[-1]
    late.rename(tmp_path / "late.dcm")
    first = json.loads(gadolin("results", folder, "--out", out, "--json").out)
    (tmp_path / "late.dcm").rename(late)

    second = json.loads(gadolin("results", folder, "--out", out, "--json").out)
    third = json.loads(gadolin("results", folder, "--out", out, "--json").out)

    assert kinds(second) == ["lesions", "rejection", "report"]
    (note,) = (dcmread(one["path"]) for one in second["objects"] if one["kind"] == "rejection")
    old = {one["sop_instance_uid"] for one in first["objects"]}
    assert images_of(note) == old
    assert kinds(third) == [], "what is rejected is not rejected again"


def valid(folder):
    return sorted(str(one.SOPInstanceUID) for one in KeptResults.read(folder).valid)


def run(gadolin, *words):
    done = gadolin("results", *words, "--json")
    assert done.code == 0
    return json.loads(done.out)


def test_results_that_were_replaced_and_come_again_are_other_objects(gadolin, phantom_series, make_bundle, tmp_path):
    other = make_bundle(preparation=Preparation(size=64)).folder
    first = run(gadolin, phantom_series, "--out", tmp_path)
    second = run(gadolin, phantom_series, "--out", tmp_path, "--model", other)
    assert "rejection" in kinds(second)
    third = run(gadolin, phantom_series, "--out", tmp_path)
    assert kinds(third) == ["lesions", "rejection", "report"]
    printed = sorted(one["sop_instance_uid"] for one in third["objects"] if one["kind"] != "rejection")
    assert valid(tmp_path) == printed
    assert not set(printed) & {one["sop_instance_uid"] for one in first["objects"]}
    assert kinds(run(gadolin, phantom_series, "--out", tmp_path)) == []


def test_overlays_add_to_the_results_and_do_not_replace_them(gadolin, phantom_series, tmp_path):
    first = run(gadolin, phantom_series, "--out", tmp_path)
    second = run(gadolin, phantom_series, "--out", tmp_path, "--overlays")
    assert set(kinds(second)) == {"overlay"}
    assert {one["sop_instance_uid"] for one in first["objects"]} <= set(valid(tmp_path))
    before = valid(tmp_path)
    assert kinds(run(gadolin, phantom_series, "--out", tmp_path)) == []
    assert valid(tmp_path) == before


def test_results_of_another_series_of_the_study_stay(gadolin, phantom_series, tmp_path):
    study = Dataset()
    study.ReferencedSOPClassUID, study.ReferencedSOPInstanceUID = "1.2.840.10008.3.1.2.3.1", "1.2.3.4"
    for series in ("1", "2"):
        for number, path in enumerate(copy_of(phantom_series, tmp_path / series)):
            changed = dcmread(path)
            changed.ReferencedStudySequence = [study]
            changed.SeriesInstanceUID = f"1.2.3.{series}"
            changed.SOPInstanceUID = f"1.2.3.{series}.{number}"
            changed.file_meta.MediaStorageSOPInstanceUID = changed.SOPInstanceUID
            changed.save_as(path)
    first = run(gadolin, tmp_path / "1", "--out", tmp_path / "out")
    second = run(gadolin, tmp_path / "2", "--out", tmp_path / "out")
    assert kinds(second) == ["lesions", "report"]
    assert {one["sop_instance_uid"] for one in first["objects"]} <= set(valid(tmp_path / "out"))


def test_the_order_of_the_files_does_not_matter(gadolin, phantom_series, tmp_path):
    files = sorted(phantom_series.iterdir())
    assert kinds(run(gadolin, *files, "--out", tmp_path)) == ["lesions", "report"]
    assert kinds(run(gadolin, *files[::-1], "--out", tmp_path)) == []


def test_a_file_with_the_same_uid_and_other_bytes_is_kept_and_told(gadolin, made, phantom_series):
    folder, printed = made
    (path,) = (Path(one["path"]) for one in printed["objects"] if one["kind"] == "report")
    path.write_bytes(path.read_bytes() + b"\0")
    before = path.read_bytes()
    done = gadolin("results", phantom_series, "--out", folder)
    done.refused("same bytes")
    assert path.read_bytes() == before


def test_no_name_of_a_patient_is_printed(gadolin_process, phantom_series, tmp_path):
    for path in copy_of(phantom_series, tmp_path / "series"):
        changed = dcmread(path)
        changed.PatientName = "Doe John"
        changed.save_as(path)
    done = gadolin_process("results", tmp_path / "series", "--out", tmp_path / "out")
    assert done.code == 0
    assert "Doe" not in done.out + done.err
    assert "Warning" not in done.err


def test_results_are_taken_back(gadolin, made):
    folder, printed = made

    done = gadolin("results", folder, "--reject", "--why", "wrong patient", "--out", folder, "--json")

    assert done.code == 0
    (written,) = json.loads(done.out)["objects"]
    assert written["kind"] == "rejection"
    assert images_of(dcmread(written["path"])) == {one["sop_instance_uid"] for one in printed["objects"]}
    done = gadolin("results", folder, "--reject", "--out", folder)
    assert done.code == 2
    assert "not rejected yet" in done.err


def test_overlays_are_pictures_with_the_notice_for_each_lesion(gadolin, phantom_series, tmp_path):
    printed = json.loads(gadolin("results", phantom_series, "--out", tmp_path, "--overlays", "--json").out)
    pictures = [dcmread(one["path"]) for one in printed["objects"] if one["kind"] == "overlay"]
    assert len(pictures) == printed["answered"]
    assert all(one.pixel_array.shape[2] == 3 for one in pictures)


def test_a_file_that_is_there_twice_counts_once(gadolin, phantom_series, tmp_path):
    files = copy_of(phantom_series, tmp_path / "series")
    shutil.copy(files[0], tmp_path / "series" / "zz.dcm")
    done = gadolin("results", tmp_path / "series", "--out", tmp_path / "out", "--json")
    assert done.code == 1
    assert json.loads(done.out)["slices"] == 6
    assert [one["code"] for one in json.loads(done.out)["errors"]] == ["duplicate_instance"]
    assert "earlier file" in done.err


def test_an_intact_copy_counts_where_the_first_is_damaged(gadolin, phantom_series, tmp_path):
    files = copy_of(phantom_series, tmp_path / "series")
    shutil.copy(files[0], tmp_path / "series" / "zz.dcm")
    files[0].write_bytes(files[0].read_bytes()[:-20_000])
    done = gadolin("results", tmp_path / "series", "--out", tmp_path / "out", "--json")
    assert json.loads(done.out)["slices"] == 6
    assert [one["code"] for one in json.loads(done.out)["errors"]] == ["file_not_whole"]


def test_a_damaged_file_is_told_and_the_others_are_answered(gadolin, phantom_series, tmp_path):
    files = copy_of(phantom_series, tmp_path / "series")
    files[2].write_bytes(files[2].read_bytes()[:900])
    done = gadolin("results", tmp_path / "series", "--out", tmp_path / "out", "--json")
    assert done.code == 1
    assert json.loads(done.out)["slices"] == 5
    assert len(json.loads(done.out)["errors"]) == 1


def test_a_header_that_allows_no_object_costs_one_slice(gadolin, phantom_series, tmp_path):
    folder = shutil.copytree(phantom_series, tmp_path / "series")
    path = sorted(folder.iterdir())[-1]  # the first in anatomical order, whose header the report copies
    image = dcmread(path)
    image.StudyDate = ["20200101", "20200102"]
    image.save_as(path)

    done = gadolin("results", folder, "--out", tmp_path / "results", "--json")

    assert (done.code, done.json["slices"]) == (1, 5)
    assert [(one["path"], one["code"]) for one in done.json["errors"]] == [(str(path), "header_unusable")]
    (report,) = (dcmread(one["path"]) for one in done.json["objects"] if one["kind"] == "report")
    assert len(numbers(report)) == 5
    assert str(image.SOPInstanceUID) not in numbers(report)


def test_slices_of_two_patients_are_refused_and_nothing_is_written(gadolin, phantom_series, tmp_path):
    files = copy_of(phantom_series, tmp_path / "series")
    other = dcmread(files[1])
    other.PatientID = "ANOTHER"
    other.save_as(files[1])
    done = gadolin("results", tmp_path / "series", "--out", tmp_path / "out")
    assert done.code == 2
    assert "one series" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("more", "printed"),
    [
        ({"Modality": "CT"}, "must come from MR"),
        ({"StudyInstanceUID": ""}, "UIDs of the image"),
        ({"SeriesInstanceUID": ""}, "UIDs of the image"),
    ],
)
def test_what_cannot_have_results_is_refused(gadolin, tmp_path, more, printed):
    pixels = np.zeros((64, 64), np.uint16)
    (tmp_path / "one.dcm").write_bytes(dicom_bytes(pixels, DicomFacts(more=more)))
    done = gadolin("results", tmp_path / "one.dcm", "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert printed in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("content", "code"), [(b"", "empty_file"), (bytes(128) + b"DICM" + bytes(9), "dicom_identity_missing")]
)
def test_a_file_that_is_empty_or_broken_is_one_line(gadolin, tmp_path, content, code):
    (tmp_path / "one.dcm").write_bytes(content)
    done = gadolin("results", tmp_path / "one.dcm", "--out", tmp_path / "out", "--json")
    assert json.loads(done.out)["error"]["code"] == code
    assert not (tmp_path / "out").exists()


def test_a_pipe_is_refused_and_not_waited_for(gadolin, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    gadolin("results", tmp_path / "pipe", "--out", tmp_path / "out").refused("pipe")
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_no_dicom_is_refused(gadolin, pictures, tmp_path):
    done = gadolin("results", *pictures, "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert "must be a DICOM file" in done.err
    assert not (tmp_path / "out").exists()
