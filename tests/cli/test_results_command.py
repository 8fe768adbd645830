"""Tests of ``gadolin results`` with the packaged model on phantoms."""

from __future__ import annotations

import io
import json
import shutil
import zipfile

import numpy as np
import pytest
from pydicom import dcmread

from gadolin.dicom_results.objects import referenced_instances
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.records import NOTICE
from gadolin.server.phantoms import EXAMPLES, phantom_picture

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def phantom_series(tmp_path_factory):
    """The files of a series of which the packaged model names the tumour in most slices."""
    folder = tmp_path_factory.mktemp("series")
    content, _ = phantom_picture(EXAMPLES[0].label, EXAMPLES[0].seed, 6)
    with zipfile.ZipFile(io.BytesIO(content)) as files:
        files.extractall(folder)
    return folder


@pytest.fixture
def made(gadolin, phantom_series, tmp_path):
    """The folder of results and the JSON of the command that wrote them."""
    done = gadolin("results", phantom_series, "--out", tmp_path / "results", "--json")
    assert done.code == 0
    return tmp_path / "results", json.loads(done.out)


def kinds(told, *, new=True):
    return sorted(one["kind"] for one in told["objects"] if one["new"] is new)


def numbers(report):
    """Return by image: the probabilities of its measurement group, by class."""
    found = {}
    for group in report.ContentSequence[-1].ContentSequence:
        items = group.ContentSequence
        image = items[-1].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
        found[image] = {
            item.ConceptNameCodeSequence[0].CodeValue: float(item.MeasuredValueSequence[0].NumericValue)
            for item in items
            if item.ValueType == "NUM"
        }
    return found


def test_the_report_holds_the_numbers_of_predict(gadolin, made, phantom_series):
    folder, told = made
    predicted = json.loads(gadolin("predict", phantom_series, "--json").out)
    predictions = predicted["predictions"]

    (report,) = (dcmread(one["path"]) for one in told["objects"] if one["kind"] == "report")

    wanted = {
        str(dcmread(one["path"]).SOPInstanceUID): {
            **{f"p-{label}": p for label, p in one["probabilities"].items()},
            "p-tumour": one["p_tumour"],
        }
        for one in predictions
    }
    assert numbers(report) == wanted
    assert told["answered"] == sum(one["label"] is not None for one in predictions)
    assert told["model"] == predicted["model"]
    assert {str(path) for path in folder.iterdir()} == {one["path"] for one in told["objects"]}


def test_the_lesions_are_those_of_the_slices_that_are_named(made):
    _, told = made
    assert kinds(told) == ["lesions", "report"]
    (lesions,) = (dcmread(one["path"]) for one in told["objects"] if one["kind"] == "lesions")
    assert [one.SegmentLabel for one in lesions.SegmentSequence] == ["Evidence for meningioma"]
    assert int(lesions.NumberOfFrames) == told["answered"]


def test_a_second_run_adds_nothing(gadolin, made, phantom_series):
    folder, first = made
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = gadolin("results", phantom_series, "--out", folder)
    assert done.code == 0
    assert NOTICE in done.err
    assert f"{first['answered']} of 6 slices are answered, the others are declined" in done.err
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
    assert referenced_instances(note) == old
    assert kinds(third) == [], "what is rejected is not rejected again"


def test_results_are_taken_back(gadolin, made):
    folder, told = made

    done = gadolin("results", folder, "--reject", "--why", "wrong patient", "--out", folder, "--json")

    assert done.code == 0
    (written,) = json.loads(done.out)["objects"]
    assert written["kind"] == "rejection"
    assert referenced_instances(dcmread(written["path"])) == {one["sop_instance_uid"] for one in told["objects"]}
    done = gadolin("results", folder, "--reject", "--out", folder)
    assert done.code == 2
    assert "not rejected yet" in done.err


def test_overlays_are_pictures_with_the_notice_for_each_lesion(gadolin, phantom_series, tmp_path):
    told = json.loads(gadolin("results", phantom_series, "--out", tmp_path, "--overlays", "--json").out)
    pictures = [dcmread(one["path"]) for one in told["objects"] if one["kind"] == "overlay"]
    assert len(pictures) == told["answered"]
    assert all(one.pixel_array.shape[2] == 3 for one in pictures)


def copy_of(phantom_series, folder):
    shutil.copytree(phantom_series, folder)
    return sorted(folder.iterdir())


def test_a_file_that_is_there_twice_counts_once(gadolin, phantom_series, tmp_path):
    files = copy_of(phantom_series, tmp_path / "series")
    shutil.copy(files[0], tmp_path / "series" / "zz.dcm")
    done = gadolin("results", tmp_path / "series", "--out", tmp_path / "out", "--json")
    assert done.code == 1
    assert json.loads(done.out)["slices"] == 6
    assert [one["code"] for one in json.loads(done.out)["errors"]] == ["duplicate_instance"]
    assert "earlier file" in done.err


def test_a_damaged_file_is_told_and_the_others_are_answered(gadolin, phantom_series, tmp_path):
    files = copy_of(phantom_series, tmp_path / "series")
    files[2].write_bytes(files[2].read_bytes()[:900])
    done = gadolin("results", tmp_path / "series", "--out", tmp_path / "out", "--json")
    assert done.code == 1
    assert json.loads(done.out)["slices"] == 5
    assert len(json.loads(done.out)["errors"]) == 1


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
    ("more", "told"),
    [
        ({"Modality": "CT"}, "must come from MR"),
        ({"StudyInstanceUID": ""}, "UIDs of the image"),
        ({"SeriesInstanceUID": ""}, "UIDs of the image"),
    ],
)
def test_what_cannot_have_results_is_refused(gadolin, tmp_path, more, told):
    pixels = np.zeros((64, 64), np.uint16)
    (tmp_path / "one.dcm").write_bytes(dicom_bytes(pixels, DicomFacts(more=more)))
    done = gadolin("results", tmp_path / "one.dcm", "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert told in done.err
    assert not (tmp_path / "out").exists()


def test_a_picture_that_is_no_dicom_is_refused(gadolin, pictures, tmp_path):
    done = gadolin("results", *pictures, "--out", tmp_path / "out")
    assert done.code in (1, 2)
    assert "must be a DICOM file" in done.err
    assert not (tmp_path / "out").exists()
