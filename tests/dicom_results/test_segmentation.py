"""Tests of predicted lesions as SEG, of overlays and of rejection notes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest
from highdicom.seg import Segmentation
from series_results import PLANES, again, headers, made, png, prediction, result_of

from gadolin.dicom_results.geometry import has_geometry
from gadolin.dicom_results.objects import images_of, reject
from gadolin.dicom_results.segmentation import segmentations
from gadolin.dicom_results.slices import SeriesResult, SliceResult

DCIODVFY = shutil.which("dciodvfy")
PICTURE = np.arange(60 * 50 * 3, dtype=np.uint8).reshape(60, 50, 3)


def lesions(result):
    return [again(one.content) for one in made(result) if one.kind == "lesions"]


def masks(dataset):
    """Return the mask of each frame with its segment and the image that it is about."""
    pixels = Segmentation.from_dataset(dataset).pixel_array
    pixels = pixels[None] if pixels.ndim == 2 else pixels
    found = {}
    for mask, frame in zip(pixels, dataset.PerFrameFunctionalGroupsSequence, strict=True):
        (shared,) = dataset.SharedFunctionalGroupsSequence  # holds what all frames have in common
        (told,) = (frame if "SegmentIdentificationSequence" in frame else shared).SegmentIdentificationSequence
        segment = told.ReferencedSegmentNumber
        (derived,) = (frame if "DerivationImageSequence" in frame else shared).DerivationImageSequence
        (source,) = derived.SourceImageSequence
        found[source.ReferencedSOPInstanceUID, source.get("ReferencedFrameNumber"), segment] = mask
    return found


@pytest.mark.parametrize("plane", PLANES)
def test_each_outline_is_a_frame_of_the_segment_of_its_class(tmp_path, plane):
    result = result_of(headers(tmp_path, plane=plane))

    (found,) = lesions(result)

    segments = {one.SegmentLabel: one.SegmentNumber for one in found.SegmentSequence}
    assert segments == {"Evidence for glioma": 1, "Evidence for pituitary": 2}
    assert {one.SegmentAlgorithmType for one in found.SegmentSequence} == {"AUTOMATIC"}
    (algorithm,) = found.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence
    assert algorithm.AlgorithmParameters == f"model={result.model}"
    drawn = masks(found)
    outlined = [one for one in result.slices if one.outline is not None]
    assert len(drawn) == len(outlined) == 2
    for one in outlined:
        number = segments[f"Evidence for {one.prediction.label}"]
        assert np.array_equal(drawn[one.source.instance, None, number], one.outline)


@pytest.mark.parametrize(("label", "kind"), [("glioma", "Neoplasm"), ("multiple sclerosis", "Lesion")])
def test_only_a_known_tumour_is_a_neoplasm(tmp_path, label, kind):
    (found,) = lesions(result_of(headers(tmp_path), labels=(label,)))
    (segment,) = found.SegmentSequence
    assert segment.SegmentedPropertyTypeCodeSequence[0].CodeMeaning == kind


def test_an_outline_is_kept_as_bits(tmp_path):
    (source,) = headers(tmp_path, 1, size=(61, 47))
    mask = np.random.default_rng(0).random((61, 47)) > 0.5
    kept = SliceResult(source, None, prediction(), mask)
    for one in (kept, replace(kept, overlay=b"")):
        assert one.outline.dtype == np.bool_
        assert np.array_equal(one.outline, mask)
        assert max(len(value[0]) for value in vars(one).values() if isinstance(value, tuple)) == -(-61 * 47 // 8)
    assert SliceResult(source, None, prediction()).outline is None


def test_frames_of_an_enhanced_image_are_those_of_its_outlines(tmp_path):
    result = result_of(headers(tmp_path, 1, frames=4), frames=4)
    drawn = masks(lesions(result)[0])
    assert {(frame, segment) for _, frame, segment in drawn} == {(1, 1), (4, 2)}


def test_slices_of_two_sizes_are_two_objects_of_one_series(tmp_path):
    small, large = headers(tmp_path / "a", size=(64, 48)), headers(tmp_path / "b", size=(80, 64))
    slices = (*result_of(small).slices, *result_of(large).slices)
    found = lesions(SeriesResult(slices, "m"))
    assert [(one.Rows, one.Columns, one.InstanceNumber) for one in found] == [(64, 48, 1), (80, 64, 2)]
    assert len({one.SeriesInstanceUID for one in found}) == 1
    assert len({one.SOPInstanceUID for one in found}) == 2


def test_two_slices_at_one_place_go_to_two_objects(tmp_path):
    first, second = (
        headers(tmp_path / "a", 1),
        headers(tmp_path / "b", 1, more={"EchoNumbers": 2, "SOPInstanceUID": "1.2.3"}),
    )
    result = result_of([*first, *second], labels=("glioma",))
    assert [set(masks(one)) for one in lesions(result)] == [{(first[0].instance, None, 1)}, {("1.2.3", None, 1)}]


@pytest.mark.parametrize(
    "missing",
    ["FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"],
)
def test_without_geometry_there_is_a_report_but_no_seg(tmp_path, missing):
    sources = headers(tmp_path)
    for one in sources:
        delattr(one.header, missing)
    assert [one.kind for one in made(result_of(sources))] == ["report"]
    assert not has_geometry(sources[0])


@pytest.mark.parametrize(
    "more",
    [
        {"ImageOrientationPatient": [0, 0, 0, 0, 0, 0]},
        {"ImageOrientationPatient": [1, 0, 0, 1, 0, 0]},
        {"ImagePositionPatient": [1, 2]},
        {"PixelSpacing": [0, 0]},
        {"SliceThickness": None},
    ],
)
def test_with_a_meaningless_geometry_there_is_a_report_but_no_seg(tmp_path, more):
    assert [one.kind for one in made(result_of(headers(tmp_path, more=more)))] == ["report"]


def test_an_enhanced_image_with_a_frame_without_a_place_has_no_seg(tmp_path):
    (source,) = headers(tmp_path, 1, frames=4)
    assert has_geometry(source)
    del source.header.PerFrameFunctionalGroupsSequence[2].PlanePositionSequence
    assert [one.kind for one in made(result_of([source], frames=4))] == ["report"]


def test_a_single_image_that_counts_its_frame_is_a_single_image(tmp_path):
    sources = headers(tmp_path, more={"NumberOfFrames": 1})
    assert not any(one.is_multiframe for one in sources)
    assert len(lesions(result_of(sources))) == 1


def test_without_a_pixel_in_an_outline_there_is_no_seg(tmp_path):
    result = result_of(headers(tmp_path))
    empty = tuple(
        replace(one, outline=one.outline & False) if one.outline is not None else one for one in result.slices
    )
    assert segmentations(SeriesResult(empty, "m")) == []


def with_overlays(result):
    picture = png(PICTURE)
    drawn = [replace(one, overlay=picture if one.outline is not None else None) for one in result.slices]
    return SeriesResult(tuple(drawn), result.model)


def test_an_overlay_is_the_picture_and_refers_to_its_slice(tmp_path):
    result = with_overlays(result_of(headers(tmp_path)))
    found = [again(one.content) for one in made(result) if one.kind == "overlay"]
    assert len(found) == 2
    assert np.array_equal(found[0].pixel_array, PICTURE)
    assert found[0].SourceImageSequence[0].ReferencedSOPInstanceUID == result.slices[0].source.instance
    assert found[0].PatientID == result.slices[0].source.header.PatientID


def test_no_object_has_the_time_at_which_it_was_made(tmp_path):
    objects = made(with_overlays(result_of(headers(tmp_path))))
    objects.append(reject([one.dataset for one in objects], "no reason"))
    assert {one.kind for one in objects} == {"report", "lesions", "overlay", "rejection"}
    for one in objects:
        found = {
            element.keyword: str(element.value)[:8] for element in one.dataset.iterall() if element.VR in ("DA", "DT")
        }
        assert set(found.values()) <= {"20240501", "19700101", ""}, (one.kind, found)


def test_a_note_rejects_the_objects_for_the_reason(tmp_path):
    objects = [one.dataset for one in made(result_of(headers(tmp_path)))]

    note = again(reject(objects, "wrong series").content)

    title = note.ConceptNameCodeSequence[0]
    assert (title.CodeValue, title.CodingSchemeDesignator) == ("113001", "DCM")
    assert {one.SOPInstanceUID for one in objects} <= images_of(note)
    assert "wrong series" in [one.get("TextValue") for one in note.ContentSequence]
    assert note.StudyInstanceUID == objects[0].StudyInstanceUID
    assert reject(objects, "wrong series").content == reject(objects[::-1], "wrong series").content
    assert reject(objects, "another reason").dataset.SOPInstanceUID != note.SOPInstanceUID


@pytest.mark.slow
@pytest.mark.skipif(DCIODVFY is None, reason="dicom3tools is not installed")
@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("frames", [1, 4])
@pytest.mark.parametrize("more", [{}, {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "山田^太郎"}])
def test_dciodvfy_finds_no_error(tmp_path, plane, frames, more):
    sources = headers(tmp_path, 1 if frames > 1 else 4, plane=plane, frames=frames, size=(64, 48), more=more)
    objects = made(with_overlays(result_of(sources, frames=frames)))
    objects.append(reject([one.dataset for one in objects], "no reason"))
    assert {one.kind for one in objects} == {"report", "lesions", "overlay", "rejection"}
    for one in objects:
        (tmp_path / one.name).write_bytes(one.content)
        done = subprocess.run([DCIODVFY, tmp_path / one.name], capture_output=True, text=True, check=False)
        told = (done.stdout + done.stderr).splitlines()
        assert [line for line in told if line.startswith(("Error", "Abort"))] == [], one.kind
