"""Tests of --patient-from: patients come from the given place, and no clinical identifier stays readable."""

from __future__ import annotations

import csv

import numpy as np
import pytest

from gadolin.datasets import scan
from gadolin.datasets.layouts.folders import scan_folder
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.errors import DataError, RequestError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, mat_bytes, nifti_bytes
from gadolin.readers import pseudonyms
from gadolin.readers.pseudonyms import pseudonym
from gadolin.splits import hold_out

GREY = np.arange(48 * 48, dtype=np.uint16).reshape(48, 48)
SECRETS = ("Moravec", "MORAVEC", "ID-4711", "ID-0815", "19480131")


@pytest.fixture
def clinic(tmp_path):
    """Write two classes: three series of two patients, a localiser and an enhanced file, all without patient names."""
    number = 0
    for label, person, series in (("glioma", "ID-4711", 1), ("glioma", "ID-4711", 2), ("notumor", "ID-0815", 3)):
        for position in range(3):
            number += 1
            more = {"PatientName": "Moravec^Ilse", "PatientBirthDate": "19480131", "SeriesNumber": series}
            facts = DicomFacts(position=(0, 0, position * 5.0), series=f"1.2.{series}", patient_id=person, more=more)
            path = tmp_path / "mri" / label / f"{number}.dcm"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(dicom_bytes(GREY + number, facts))
    facts = DicomFacts(patient_id="ID-4711", more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    (tmp_path / "mri" / "glioma" / "plan.dcm").write_bytes(dicom_bytes(GREY, facts))
    volume = np.stack([GREY, GREY + 7, GREY + 9])
    facts = DicomFacts(patient_id="ID-0815", series="1.2.9", more={"PatientName": "Moravec^Ilse"})
    (tmp_path / "mri" / "notumor" / "many.dcm").write_bytes(dicom_bytes(volume, facts))
    return tmp_path / "mri"


@pytest.mark.parametrize("rule", [None, "dicom"])
def test_dicom_files_name_their_patient_by_a_pseudonym(clinic, rule):
    found = scan_folder(clinic, patient_from=rule)
    assert {record.patient for record in found.records if record.label == "glioma"} == {pseudonym("ID-4711")}
    assert {record.patient for record in found.records if record.label == "notumor"} == {pseudonym("ID-0815")}


def test_nothing_that_identifies_a_patient_is_written(clinic, tmp_path, gadolin_words):
    out = tmp_path / "out"
    out.mkdir()
    found = scan(clinic)
    write_manifest(out / "manifest.csv", found.records)
    (out / "scan.json").write_text(gadolin_words(found))
    written = "".join(path.read_text() for path in out.iterdir())
    assert [secret for secret in SECRETS if secret in written] == []
    assert pseudonym("ID-4711") in written
    assert not any(secret in repr(found) for secret in SECRETS)


@pytest.fixture
def gadolin_words():
    """Return the output of ``gadolin scan`` as text and as JSON."""
    import json

    from gadolin.cli.scan import _text

    return lambda found: _text(found) + json.dumps(found.as_json())


def test_pseudonyms_are_the_same_at_every_scan_and_others_with_another_key(clinic, tmp_path, monkeypatch):
    first = [record.patient for record in scan_folder(clinic).records]
    assert [record.patient for record in scan_folder(clinic).records] == first
    monkeypatch.setenv("GADOLIN_PATIENT_KEY", str(tmp_path / "other.key"))
    others = [record.patient for record in scan_folder(clinic).records]
    assert not set(first) & set(others)
    assert len(set(first)) == len(set(others)) == 2


def test_a_localiser_is_left_out_and_told(clinic):
    found = scan_folder(clinic)
    (one,) = found.left_out
    assert (one.path, one.code) == (str(clinic / "glioma" / "plan.dcm"), "localiser")
    assert not found.errors


def test_the_slices_of_a_volume_are_rows_of_one_file(clinic, tmp_path):
    found = scan_folder(clinic)
    frames = [record for record in found.records if record.path.name == "many.dcm"]
    assert [record.frame for record in frames] == [0, 1, 2]
    assert len({record.digest for record in frames}) == len({record.group for record in frames}) == 1
    assert len({record.key for record in frames}) == 3
    write_manifest(tmp_path / "m.csv", found.records)
    with (tmp_path / "m.csv").open() as file:
        assert [row["frame"] for row in csv.DictReader(file) if row["path"].endswith("many.dcm")] == ["0", "1", "2"]
    assert [each.frame for each in read_manifest(tmp_path / "m.csv")] == [each.frame for each in found.records]


def test_the_files_of_a_series_share_a_group_and_two_series_do_not(clinic):
    groups = {}
    for record in scan_folder(clinic).records:
        groups.setdefault(record.group, set()).add(record.path.name)
    assert sorted(map(sorted, groups.values())) == [
        ["1.dcm", "2.dcm", "3.dcm"],
        ["4.dcm", "5.dcm", "6.dcm"],
        ["7.dcm", "8.dcm", "9.dcm"],
        ["many.dcm"],
    ]


@pytest.fixture
def volumes(tmp_path):
    """Write twelve volumes without a patient, six of each class."""
    for number in range(12):
        path = tmp_path / ("glioma", "notumor")[number % 2] / f"sub-{number:02}_T1w.nii.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(nifti_bytes(np.random.default_rng(number).integers(0, 999, (20, 20, 4), np.int16)))
    return tmp_path


@pytest.mark.parametrize("rule", [None, "bids"])
@pytest.mark.parametrize("seed", range(5))
def test_the_slices_of_a_volume_never_stand_on_both_sides_of_a_cut(volumes, seed, rule):
    records = scan_folder(volumes, patient_from=rule).records
    assert len(records) == 48
    places = {}
    for record in hold_out(records, 0.4, part="test", seed=seed):
        places.setdefault(record.path, set()).add(record.split)
    assert {len(found) for found in places.values()} == {1}
    assert len({side for found in places.values() for side in found}) == 2


def test_bids_names_the_patient_in_a_folder_or_a_file(tmp_path):
    for name in ("glioma/sub-P7/anat/sub-P7_T1w.nii", "glioma/sub-8_T1w.nii", "notumor/x/sub-A9_T2w.nii"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(nifti_bytes(np.zeros((20, 20, 1), np.int16), compress=False))
    records = scan_folder(tmp_path, patient_from="bids").records
    assert {record.path.name: record.patient for record in records} == {
        "sub-P7_T1w.nii": "P7", "sub-8_T1w.nii": "8", "sub-A9_T2w.nii": "A9",
    }  # fmt: skip


def test_bids_must_name_a_patient_in_every_path(tmp_path):
    (tmp_path / "glioma").mkdir()
    (tmp_path / "glioma" / "submarine-1.nii").write_bytes(nifti_bytes(np.zeros((20, 20, 1), np.int16), compress=False))
    with pytest.raises(DataError) as caught:
        scan_folder(tmp_path, patient_from="bids")
    assert caught.value.code == "patient_rule_matches_nothing"
    assert "submarine-1.nii" in caught.value.got


@pytest.mark.parametrize(
    ("name", "content", "got"),
    [
        ("a.nii", nifti_bytes(np.zeros((20, 20, 1), np.int16), compress=False), "no DICOM file"),
        ("a.dcm", dicom_bytes(GREY, DicomFacts(patient_id="")), "one without it"),
    ],
)
def test_dicom_must_name_a_patient_in_every_file(tmp_path, name, content, got):
    (tmp_path / "glioma").mkdir()
    (tmp_path / "glioma" / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        scan_folder(tmp_path, patient_from="dicom")
    path = tmp_path / "glioma" / name
    assert f"needs DICOM files with a PatientID, {path} is {got}; choose another rule" in str(caught.value)
    assert scan_folder(tmp_path).records[0].patient == ""


def test_a_public_mat_file_keeps_the_id_that_was_published(tmp_path):
    pytest.importorskip("h5py")
    (tmp_path / "glioma").mkdir()
    (tmp_path / "glioma" / "1.mat").write_bytes(mat_bytes(GREY, GREY > 99, label=2, patient="100360"))
    assert scan_folder(tmp_path).records[0].patient == "100360"


def test_a_damaged_key_stops_the_scan(clinic, tmp_path, monkeypatch):
    (tmp_path / "bad.key").write_text("hello")
    monkeypatch.setenv("GADOLIN_PATIENT_KEY", str(tmp_path / "bad.key"))
    pseudonyms._key.cache_clear()
    with pytest.raises(RequestError) as caught:
        scan_folder(clinic)
    assert caught.value.code == "patient_key_invalid"


@pytest.mark.parametrize("rule", ["parent", r"(MRN\d+)"])
def test_what_names_say_of_clinical_files_is_hashed_too(tmp_path, rule):
    path = tmp_path / "glioma" / "MRN4711" / "a.dcm"
    path.parent.mkdir(parents=True)
    path.write_bytes(dicom_bytes(np.zeros((20, 20), np.uint8)))
    (record,) = scan_folder(tmp_path, patient_from=rule).records
    assert record.patient == pseudonym("MRN4711")
