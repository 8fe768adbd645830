"""Tests of what results copy from the headers of images."""

from __future__ import annotations

import re

import numpy as np
import pytest
from pydicom.config import disable_value_validation
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)
from pydicom.valuerep import DSfloat
from series_results import again, headers, made, result_of

from gadolin.dicom_results.identifiers import derived_uid
from gadolin.dicom_results.source import moment_of, read_source, source_from_bytes, source_of
from gadolin.errors import ReadError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes


def written(tmp_path, change=lambda content: content, **more):
    path = tmp_path / "one.dcm"
    path.write_bytes(change(dicom_bytes(np.zeros((64, 64), np.uint16), DicomFacts(more=more))))
    return path


@pytest.mark.parametrize("name", ["StudyInstanceUID", "SeriesInstanceUID"])
def test_an_image_without_an_identifier_is_refused(tmp_path, name):
    with pytest.raises(ReadError) as refused:
        read_source(written(tmp_path, **{name: ""}))
    assert refused.value.code == "dicom_identity_missing"


def test_an_identifier_with_letters_is_refused(tmp_path):
    path = written(
        tmp_path, lambda content: content.replace(b"1.2.826.0.1.3680043.8.498.9", b"1.2.826.0.1.3680043.8.498.x")
    )
    with pytest.raises(ReadError) as refused:
        read_source(path)
    assert refused.value.code == "dicom_identity_missing"


def test_a_file_that_is_no_dicom_is_refused(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(ReadError) as refused:
        read_source(tmp_path / "a.png")
    assert refused.value.code == "not_dicom"


def test_a_header_that_cannot_be_parsed_is_an_error_of_the_file(tmp_path, monkeypatch):
    def broken(_):
        raise IndexError

    monkeypatch.setattr("gadolin.dicom_results.source.parse", broken)
    with pytest.raises(ReadError) as refused:
        read_source(written(tmp_path))
    assert (refused.value.code, refused.value.path) == ("damaged_file", str(tmp_path / "one.dcm"))


def test_pixels_are_left_behind_and_what_may_be_empty_is_there(tmp_path):
    header = read_source(written(tmp_path)).header
    assert "PixelData" not in header
    assert header.AccessionNumber == header.StudyDate == ""


def test_a_broken_element_is_left_out_and_the_rest_is_kept(tmp_path):
    path = written(tmp_path, lambda content: content.replace(b"19700101", b"197XX101"), PatientBirthDate="19700101")
    source = read_source(path)
    assert source.header.PatientID == "PHANTOM"
    assert again(made(result_of([source]))[0].content).PatientID == "PHANTOM"


def test_decimals_that_are_too_long_are_shortened(tmp_path):
    with disable_value_validation():
        path = written(tmp_path, ReconstructionDiameter=DSfloat("220.12345678901234567"))
    found = read_source(path).header.ReconstructionDiameter
    assert len(str(found)) == 16
    assert float(found) == pytest.approx(220.123456789)


@pytest.mark.parametrize("sex", ["U", "X", "MALE"])
def test_a_sex_that_dicom_does_not_know_is_left_out(tmp_path, sex):
    source = read_source(written(tmp_path, PatientSex=sex))
    assert again(made(result_of([source]))[0].content).PatientSex == ""


@pytest.mark.parametrize(
    ("charset", "name"),
    [
        (["", "ISO 2022 IR 87"], "Yamada^Tarou=山田^太郎=やまだ^たろう"),
        (["", "ISO 2022 IR 149"], "Hong^Gildong=洪^吉洞=홍^길동"),
        ("ISO_IR 100", "Müller^Jörg"),
        ("GB18030", "王^小东"),
    ],
)
def test_names_are_the_same_in_any_character_set(tmp_path, charset, name):
    source = read_source(written(tmp_path, SpecificCharacterSet=charset, PatientName=name))
    report = again(made(result_of([source]))[0].content)
    assert str(report.PatientName) == name
    assert report.SpecificCharacterSet == "ISO_IR 192"


def test_a_character_set_that_nobody_knows_is_no_obstacle(tmp_path):
    path = written(
        tmp_path, lambda content: content.replace(b"ISO_IR 100", b"ISO_IR 999"), SpecificCharacterSet="ISO_IR 100"
    )
    assert again(made(result_of([read_source(path)]))[0].content).PatientID == "PHANTOM"


ODD = {"PatientWeight": "70.50", "PatientComments": "Grüße", "OtherPatientIDs": ["A", "B"], "PatientAge": "050Y",
       "SpecificCharacterSet": "ISO_IR 100", "PixelPaddingValue": 0, "PregnancyStatus": 4}  # fmt: skip


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
    ids=lambda syntax: syntax.name,
)
@pytest.mark.parametrize("frames", [1, 3])
def test_a_header_makes_the_same_objects_after_it_was_bytes(tmp_path, syntax, frames):
    (source,) = headers(tmp_path, 1, frames=frames, syntax=syntax, more=ODD)
    again_read = source_from_bytes(source.as_bytes(), source.path)
    assert again_read.identity == source.identity
    assert again_read.patient == source.patient
    results = [result_of([one], frames=frames) for one in (source, again_read)]
    first, second = ([(one.name, one.content) for one in made(result)] for result in results)
    assert first == second


def test_the_bytes_of_a_file_have_the_header_of_the_file(tmp_path):
    path = written(tmp_path, **ODD)
    source = source_of(path.read_bytes(), "a name")
    assert (source.path, source.header) == ("a name", read_source(path).header)
    with pytest.raises(ReadError) as refused:
        source_of(b"none", "a name")
    assert (refused.value.code, refused.value.path) == ("not_dicom", None)


@pytest.mark.parametrize(
    ("more", "moment"),
    [
        ({"StudyDate": "20200102", "StudyTime": "030405.5"}, ("20200102", "030405", "")),
        (
            {"StudyDate": "20200102", "AcquisitionDate": "20200103", "AcquisitionTime": "111213"},
            ("20200103", "111213", ""),
        ),
        ({"StudyDate": "20200102", "TimezoneOffsetFromUTC": "+0100"}, ("20200102", "000000", "+0100")),
        ({}, ("19000101", "000000", "")),
    ],
)
def test_the_moment_is_the_first_date_that_is_known(tmp_path, more, moment):
    assert moment_of([read_source(written(tmp_path, **more))]) == moment


def test_the_moment_of_a_series_is_that_of_its_latest_image(tmp_path):
    early = headers(tmp_path / "a", 1, more={"AcquisitionDate": "20240601", "AcquisitionTime": "090000"})
    late = headers(tmp_path / "b", 1, more={"AcquisitionDate": "20240601", "AcquisitionTime": "093000"})
    assert moment_of([*late, *early]) == ("20240601", "093000", "")


def test_derived_uids_are_valid_and_depend_on_every_part():
    found = derived_uid("a", "b")
    assert re.fullmatch(r"2\.25\.[1-9][0-9]*", found)
    assert len(found) <= 64
    assert found == derived_uid("a", "b")
    assert len({found, derived_uid("b", "a"), derived_uid("ab"), derived_uid("a")}) == 4
