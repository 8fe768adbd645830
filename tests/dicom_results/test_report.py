"""Tests of the report: identity, template, codes and numbers."""

from __future__ import annotations

from dataclasses import replace

import highdicom
import numpy as np
import pytest
from highdicom.sr import ComprehensiveSR
from pydicom.sr._cid_dict import cid_concepts
from pydicom.sr._concepts_dict import concepts
from pydicom.uid import UID
from series_results import again, headers, made, png, prediction, result_of

from gadolin.dicom_results.codes import SCHEME, neoplasm_presence
from gadolin.dicom_results.encoded import as_read
from gadolin.dicom_results.measurement_groups import copied_groups, measurement_group, subjects_of
from gadolin.dicom_results.objects import images_of
from gadolin.dicom_results.segmentation import lesion_frames, segmentations
from gadolin.dicom_results.slices import SeriesResult, SliceResult
from gadolin.records import NOTICE

PATIENT_AND_STUDY = (
    "PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID", "StudyDate",
    "StudyTime", "StudyDescription", "AccessionNumber", "ReferringPhysicianName",
)  # fmt: skip
GROUP = [  # first rows of TID 1501 and TID 1410, with those of TID 4019: relationship, value type, concept
    ("HAS OBS CONTEXT", "TEXT", "112039"),
    ("HAS OBS CONTEXT", "UIDREF", "112040"),
    ("HAS CONCEPT MOD", "TEXT", "111001"),
    ("HAS CONCEPT MOD", "TEXT", "111003"),
    ("HAS CONCEPT MOD", "TEXT", "111002"),
    ("HAS CONCEPT MOD", "CODE", "111000"),
]
REGION = [  # of TID 1410
    ("CONTAINS", "IMAGE", "121214"),  # referenced segmentation frame
    ("CONTAINS", "IMAGE", "121233"),  # source image for segmentation
]
SOURCE = [("CONTAINS", "IMAGE", "121112")]  # of TID 1501: source of measurement
OUTLINED = (True, False, False, True)  # the slices of ``result_of``


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


def rows(item):
    return [(one.RelationshipType, one.ValueType, code(one)) for one in item.ContentSequence]


def template(item):
    return item.ContentTemplateSequence[0].TemplateIdentifier


def reference(group, *concepts):
    """Return the object that the image item of a group with one of the concepts refers to."""
    (found,) = [one for one in group.ContentSequence if one.ValueType == "IMAGE" and code(one) in concepts]
    return found.ReferencedSOPSequence[0]


def slice_of(group):
    return reference(group, "121112", "121233")


def containers(item):
    yield item
    for one in item.get("ContentSequence", []):
        if one.ValueType == "CONTAINER":
            yield from containers(one)


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
    assert template(report) == "1500"
    (title,) = report.ConceptNameCodeSequence
    assert (title.CodingSchemeDesignator, title.CodeValue) == (SCHEME, "report")
    assert title.CodeMeaning == "Predictions of a model, for research only"
    found = rows(report)
    assert found[:2] == [("HAS CONCEPT MOD", "CODE", "121049"), ("HAS OBS CONTEXT", "CODE", "121005")]
    assert ("HAS OBS CONTEXT", "UIDREF", "121012") in found
    assert found[-5:] == [
        ("HAS CONCEPT MOD", "CODE", "121058"),
        ("CONTAINS", "TEXT", "121106"),
        ("CONTAINS", "TEXT", "121106"),
        ("CONTAINS", "CONTAINER", "111028"),
        ("CONTAINS", "CONTAINER", "126010"),
    ]
    procedure = report.ContentSequence[-5].ConceptCodeSequence[0]
    assert (procedure.CodingSchemeDesignator, procedure.CodeValue) == ("LN", "25056-3")
    assert "MRIUnspecifiedBodyRegion" in cid_concepts[100]["LN"]


def test_the_rows_of_tid_1501_and_of_tid_1410_where_a_lesion_is_segmented(report):
    found = groups(report)
    assert [template(one) for one in found] == ["1410" if lesion else "1501" for lesion in OUTLINED]
    for group, lesion in zip(found, OUTLINED, strict=True):
        assert (group.RelationshipType, group.ValueType, code(group)) == ("CONTAINS", "CONTAINER", "125007")
        before, after = [*GROUP, *(REGION if lesion else [])], [] if lesion else SOURCE
        content = rows(group)
        assert content[: len(before)] == before
        assert content[len(content) - len(after) :] == after
        measured = content[len(before) : len(content) - len(after)]
        assert [kind for _, kind, _ in measured] == ["NUM"] * 5 + ["CODE"] * 3
        assert {relation for relation, *_ in measured} == {"CONTAINS"}


def test_no_container_is_a_continuous_text(report):
    found = list(containers(report))
    assert len(found) > 6
    assert {one.ContinuityOfContent for one in found} == {"SEPARATE"}


def test_the_group_of_a_lesion_refers_to_its_frame_in_the_segmentation(sources):
    result = result_of(sources)
    report, lesions = (again(one.content) for one in made(result))
    masks = highdicom.seg.Segmentation.from_dataset(lesions).pixel_array
    evidence = images_of(report)
    for group, one, lesion in zip(groups(report), result.slices, OUTLINED, strict=True):
        if not lesion:
            continue
        found = reference(group, "121214")
        assert found.ReferencedSOPClassUID == lesions.SOPClassUID
        assert found.ReferencedSOPInstanceUID == lesions.SOPInstanceUID
        assert "ReferencedSegmentNumber" not in found, "not allowed beside the number of a frame"
        assert np.array_equal(masks[found.ReferencedFrameNumber - 1], one.outline)
        assert found.ReferencedSOPInstanceUID in evidence


def test_highdicom_reads_the_groups_of_both_kinds(report, sources):
    content = ComprehensiveSR.from_dataset(report).content
    planar = content.get_planar_roi_measurement_groups()
    (lesions,) = {str(one.referenced_segmentation_frame[0].referenced_sop_instance_uid) for one in planar}
    assert lesions in images_of(report)
    assert [len(one.get_measurements()) for one in planar] == [5, 5]
    whole = content.get_image_measurement_groups()
    assert [str(one.source_images[0].referenced_sop_instance_uid) for one in whole] == [
        one.instance for one in sources[1:3]
    ]


def test_without_a_segmentation_all_groups_are_of_whole_slices(tmp_path):
    sources = headers(tmp_path)
    for one in sources:
        del one.header.FrameOfReferenceUID
    (report,) = (again(one.content) for one in made(result_of(sources)))
    assert [template(one) for one in groups(report)] == ["1501"] * len(sources)


@pytest.mark.parametrize("frames", [1, 4])
def test_each_group_is_the_one_that_highdicom_builds(tmp_path, frames):
    result = result_of(headers(tmp_path, 6 if frames == 1 else 1, frames=frames), frames=frames)
    unknown = replace(result.slices[-1].prediction, p_tumour=None, sequence=None)
    result = SeriesResult((*result.slices[:-1], replace(result.slices[-1], prediction=unknown)), result.model)
    subjects = list(subjects_of(result, lesion_frames(segmentations(result))))
    assert len({one.kind for one in subjects}) > 2
    for subject, group in zip(subjects, copied_groups(subjects), strict=True):
        assert group.to_json_dict() == as_read(measurement_group(subject)[0]).to_json_dict()


def test_a_group_names_its_slice_for_people(tmp_path, report):
    tracked = [one.ContentSequence[0].TextValue for one in groups(report)]
    assert tracked == [f"Slice {one} of 4 (series 1, instance {one})" for one in (1, 2, 3, 4)]
    enhanced = result_of(headers(tmp_path / "enhanced", 1, frames=2), frames=2)
    report = again(made(enhanced)[0].content)
    assert groups(report)[1].ContentSequence[0].TextValue == "Slice 2 of 2 (series 1, instance 1, frame 2)"
    uids = [one.ContentSequence[1].UID for one in groups(report)]
    assert len(set(uids)) == 2


def library_groups(report):
    (library,) = [one for one in report.ContentSequence if code(one) == "111028"]
    return list(library.ContentSequence)


def images(group):
    return [one for one in group.ContentSequence if one.ValueType == "IMAGE"]


def test_the_image_library_describes_once_what_images_have_in_common(report, sources):
    (group,) = library_groups(report)
    assert code(group) == "126200"
    described = {code(one): one for one in group.ContentSequence if one.ValueType != "IMAGE"}
    assert {one.RelationshipType for one in described.values()} == {"HAS ACQ CONTEXT"}
    wanted = {"110910": 64, "110911": 48, "111026": 0.5, "111066": 0.5, "112225": 6, "110904": 1, "110908": 1}
    for concept, number in wanted.items():
        assert float(described[concept].MeasuredValueSequence[0].NumericValue) == number
    (frame_of_reference,) = {one.header.FrameOfReferenceUID for one in sources}
    assert frame_of_reference == described["112227"].UID
    listed = images(group)
    assert [one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID for one in listed] == [
        one.instance for one in sources
    ]
    for item, one in zip(listed, sources, strict=True):
        found = [float(part.MeasuredValueSequence[0].NumericValue) for part in item.ContentSequence]
        assert rows(item) == [("HAS ACQ CONTEXT", "NUM", concept) for concept in ("110901", "110902", "110903")]
        assert found == [float(value) for value in one.header.ImagePositionPatient]


def test_images_of_another_size_are_another_group_of_the_library(tmp_path):
    small, large = headers(tmp_path / "a", 2), headers(tmp_path / "b", 3, size=(80, 64))
    result = SeriesResult((*result_of(small).slices, *result_of(large).slices), "m")
    assert [len(images(one)) for one in library_groups(again(made(result)[0].content))] == [2, 3]


def test_the_first_text_is_the_notice_and_the_second_counts_the_answers(report):
    notice, counted = [one.TextValue for one in report.ContentSequence if code(one) == "121106"]
    assert notice == NOTICE
    assert counted.startswith("3 of 4 slices are answered, 1 declined.")
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
        assert slice_of(group).ReferencedSOPInstanceUID == one.source.instance


def test_a_frame_of_an_enhanced_image_is_referred_to_by_its_number(tmp_path):
    result = result_of(headers(tmp_path, 1, frames=3), frames=3)
    report = again(made(result)[0].content)
    assert [slice_of(one).ReferencedFrameNumber for one in groups(report)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("label", "reason", "presence"),
    [
        ("glioma", None, "detected"),
        ("notumor", None, "not-detected"),
        ("multiple sclerosis", None, "82334004"),
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
