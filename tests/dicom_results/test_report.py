"""Tests of the report: identity, template, codes and numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.uid import UID
from series_results import again, headers, made, png, prediction, result_of

from gadolin.dicom_results.codes import SCHEME, neoplasm_presence
from gadolin.dicom_results.objects import images_of
from gadolin.dicom_results.slices import SeriesResult, SliceResult
from gadolin.records import NOTICE

PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "StudyDate",
    "StudyTime", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
GROUP = [  # rows of TID 1501 with those of TID 4019 and TID 300 that are used: relationship, value type, concept
    ("HAS OBS CONTEXT", "TEXT", "112039"),
    ("HAS OBS CONTEXT", "UIDREF", "112040"),
    ("HAS CONCEPT MOD", "TEXT", "111001"),
    ("HAS CONCEPT MOD", "TEXT", "111003"),
    ("HAS CONCEPT MOD", "TEXT", "111002"),
    ("HAS CONCEPT MOD", "CODE", "111000"),
]


@pytest.fixture
def sources(tmp_path):
    return headers(tmp_path / "series")


@pytest.fixture
def report(sources):
    return again(made(result_of(sources))[0].content)


def code(item):
    (found,) = item.ConceptNameCodeSequence
    return found.get("CodeValue") or found.LongCodeValue


def value(item):
    return item.ConceptCodeSequence[0].get("CodeValue") or item.ConceptCodeSequence[0].LongCodeValue


def groups(report):
    (found,) = [one for one in report.ContentSequence if code(one) == "126010"]
    return list(found.ContentSequence)


def test_patient_and_study_are_those_of_the_slices_and_the_series_is_another(report, sources):
    (source, *_) = sources
    for name in PATIENT_AND_STUDY:
        assert report[name].value == source.header[name].value, name
    assert report.SeriesInstanceUID not in {source.series, report.SOPInstanceUID}
    assert UID(report.SOPInstanceUID).is_valid


def test_the_same_result_has_the_same_bytes_and_another_model_other_uids(sources):
    result = result_of(sources)
    first, second = (made(one)[0] for one in (result, result_of(sources)))
    assert first.content == second.content
    other = made(SeriesResult(result.slices, "fedcba9876543210"))[0]
    fewer = made(SeriesResult(result.slices[:2], result.model))[0]
    assert len({one.dataset.SOPInstanceUID for one in (first, other, fewer)}) == 3


def test_times_are_those_of_the_images(report):
    assert (report.ContentDate, report.ContentTime) == ("20240501", "101500")


def test_the_rows_of_tid_1500(report):
    assert report.ContentTemplateSequence[0].TemplateIdentifier == "1500"
    assert code(report) == "126000"
    rows = [(one.RelationshipType, one.ValueType, code(one)) for one in report.ContentSequence]
    assert rows[:2] == [("HAS CONCEPT MOD", "CODE", "121049"), ("HAS OBS CONTEXT", "CODE", "121005")]
    assert ("HAS OBS CONTEXT", "UIDREF", "121012") in rows
    assert rows[-5:] == [
        ("HAS CONCEPT MOD", "CODE", "121058"),
        ("CONTAINS", "TEXT", "121106"),
        ("CONTAINS", "TEXT", "121106"),
        ("CONTAINS", "CONTAINER", "111028"),
        ("CONTAINS", "CONTAINER", "126010"),
    ]
    procedure = report.ContentSequence[-5].ConceptCodeSequence[0]
    assert (procedure.CodingSchemeDesignator, procedure.CodeValue) == ("LN", "25056-3")
    assert "MRIUnspecifiedBodyRegion" in cid_concepts[100]["LN"]


def test_the_rows_of_tid_1501(report, sources):
    found = groups(report)
    assert len(found) == len(sources)
    for group in found:
        assert (group.RelationshipType, group.ValueType, code(group)) == ("CONTAINS", "CONTAINER", "125007")
        assert group.ContentTemplateSequence[0].TemplateIdentifier == "1501"
        rows = [(one.RelationshipType, one.ValueType, code(one)) for one in group.ContentSequence]
        assert rows[: len(GROUP)] == GROUP
        assert [kind for _, kind, _ in rows[len(GROUP) :]] == ["NUM"] * 5 + ["CODE"] * 3 + ["IMAGE"]
        assert {relation for relation, *_ in rows[len(GROUP) :]} == {"CONTAINS"}
        assert rows[-1][2] == "121112", "source of measurement"


def test_the_image_library_lists_the_images(report, sources):
    (library,) = [one for one in report.ContentSequence if code(one) == "111028"]
    images = [item for group in library.ContentSequence for item in group.ContentSequence if item.ValueType == "IMAGE"]
    assert [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in images] == [
        one.instance for one in sources
    ]


def test_the_first_text_is_the_notice_and_the_second_counts_the_answers(report):
    notice, counted = [one.TextValue for one in report.ContentSequence if code(one) == "121106"]
    assert notice == NOTICE
    assert counted.startswith("3 of 4 slices are answered, the others are declined.")
    assert "no statement about the series or the patient was validated" in counted


def test_each_group_has_the_numbers_of_its_prediction_and_refers_to_its_slice(report, sources):
    result = result_of(sources)
    for group, one in zip(groups(report), result.slices, strict=True):
        numbers = {
            code(item): item.MeasuredValueSequence[0] for item in group.ContentSequence if item.ValueType == "NUM"
        }
        wanted = {f"p-{name}": p for name, p in one.prediction.probabilities.items()}
        wanted["p_tumour"] = one.prediction.p_tumour
        assert {name: float(found.NumericValue) for name, found in numbers.items()} == pytest.approx(wanted)
        assert {found.MeasurementUnitsCodeSequence[0].CodeValue for found in numbers.values()} == {"1"}
        (image,) = group.ContentSequence[-1].ReferencedSOPSequence
        assert image.ReferencedSOPInstanceUID == one.source.instance


def test_a_frame_of_an_enhanced_image_is_referred_to_by_its_number(tmp_path):
    result = result_of(headers(tmp_path, 1, frames=3), frames=3)
    report = again(made(result)[0].content)
    images = [group.ContentSequence[-1].ReferencedSOPSequence[0] for group in groups(report)]
    assert [one.ReferencedFrameNumber for one in images] == [1, 2, 3]


@pytest.mark.parametrize(
    ("label", "reason", "presence"),
    [
        ("glioma", None, "detected"),
        ("notumor", None, "not-detected"),
        (None, "kind_uncertain", "415684004"),
        (None, "kind_not_validated", "415684004"),
        (None, "out_of_distribution", "82334004"),
        (None, "tumour_uncertain", "82334004"),
    ],
)
def test_whether_a_neoplasm_is_detected(label, reason, presence):
    assert neoplasm_presence(prediction(label, reason_code=reason)).value == presence


def test_a_slice_has_its_class_or_the_reason_why_it_is_declined(report):
    told = [
        {code(item): value(item) for item in group.ContentSequence if item.ValueType == "CODE"}
        for group in groups(report)
    ]
    assert [one.get("class") for one in told] == ["glioma", "notumor", None, "pituitary"]
    assert [one.get("declined-because") for one in told] == [None, None, "low-confidence", None]


def test_every_code_is_in_the_standard_or_of_the_declared_private_scheme(report):
    known = {scheme: {value for one in found.values() for value in one} for scheme, found in concepts.items()}
    used = {
        (item.CodingSchemeDesignator, item.get("CodeValue") or item.LongCodeValue)
        for item in all_codes(report)
        if item.CodingSchemeDesignator not in (SCHEME, "RFC5646", "UCUM")  # languages and units have rules of their own
    }
    assert used
    assert not {(scheme, value) for scheme, value in used if value not in known[scheme]}
    (declared,) = report.CodingSchemeIdentificationSequence
    assert declared.CodingSchemeDesignator == SCHEME
    assert declared.CodingSchemeResponsibleOrganization == "Gadolin"


def all_codes(dataset):
    for element in dataset:
        if element.VR == "SQ":
            for item in element.value:
                if "CodingSchemeDesignator" in item and "CodeMeaning" in item:
                    yield item
                yield from all_codes(item)


def test_every_class_has_a_code_of_its_own(sources):
    labels = ("astrocytoma of the brain stem", "脑膜瘤", "胶质瘤", "tumour", "any_tumour")
    slices = tuple(
        SliceResult(one, None, prediction("脑膜瘤", probabilities=dict.fromkeys(labels, 0.2))) for one in sources
    )
    report = again(made(SeriesResult(slices, "m"))[0].content)
    names = [item.ConceptNameCodeSequence[0] for item in groups(report)[0].ContentSequence if item.ValueType == "NUM"]
    assert len({one.get("CodeValue") or one.LongCodeValue for one in names}) == len(labels) + 1
    assert [one.CodeMeaning for one in names][1] == "Probability of 脑膜瘤"


def test_the_order_of_the_files_does_not_matter(sources):
    (first, *_) = made(result_of(sources))
    assert first.content == made(result_of(sources))[0].content
    changed = [replace(one, prediction=replace(one.prediction, p_tumour=0.5)) for one in result_of(sources).slices]
    other = made(SeriesResult(tuple(changed), result_of(sources).model))[0]
    assert first.dataset.SOPInstanceUID != other.dataset.SOPInstanceUID, "what says something else has another UID"


def test_a_visit_and_the_time_zone_are_copied(tmp_path):
    more = {"AdmissionID": "V7", "TimezoneOffsetFromUTC": "+0100", "IssuerOfPatientID": "SITE", "PatientAge": "054Y"}
    result = result_of(headers(tmp_path, more=more))
    pictured = [replace(one, overlay=png(np.zeros((9, 9, 3), np.uint8))) for one in result.slices]
    objects = made(SeriesResult(tuple(pictured), result.model))
    assert {one.kind for one in objects} == {"report", "lesions", "overlay"}
    for one in objects:
        assert {name: one.dataset.get(name) for name in more} == more, one.kind


def test_every_image_is_evidence(report, sources):
    assert {one.instance for one in sources} <= images_of(report)
    (study,) = report.CurrentRequestedProcedureEvidenceSequence
    assert study.StudyInstanceUID == sources[0].study
