"""Tests of DICOM object types: slices are read in order; other objects are left out or refused by a code."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from test_dicom_headers import with_raw

from gadolin.errors import ReadError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.readers import open_bytes, read_bytes

SLICES = np.stack([each.pixels for each in draw_patient("glioma", 3, seed=1, slices=4, size=64)]).astype(np.uint16)
GREY = SLICES[1]
AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
IMAGE = ["ORIGINAL", "PRIMARY", "M", "SE"]


def with_more(pixels=GREY, **more):
    return dicom_bytes(pixels, DicomFacts(more=more))


def left_out(content):
    contents = open_bytes(content)
    assert contents.omit is not None
    with pytest.raises(ReadError) as caught:
        contents.decode(0)
    assert caught.value.code == contents.omit.code
    return contents.omit.code


def refused(content):
    with pytest.raises(ReadError) as caught:
        read_bytes(content)
    return caught.value.code


@pytest.mark.parametrize("name", ["Tumor survey T1 +C", "scout follow-up", "localizer of lesions", "AAHead_Scout"])
@pytest.mark.parametrize("element", ["SeriesDescription", "ProtocolName", "StudyDescription", "ImageComments"])
def test_a_word_in_a_free_text_makes_no_localiser(element, name):
    np.testing.assert_array_equal(read_bytes(with_more(**{element: name})).pixels, GREY)


@pytest.mark.parametrize("kind", ["LOCALIZER", "localizer", "SCOUT"])
def test_a_localiser_is_known_by_its_image_type(kind):
    content = with_raw(with_more(), "ImageType", "CS", f"ORIGINAL\\PRIMARY\\{kind}".encode())
    assert left_out(content) == "localiser"


@pytest.mark.parametrize("place", [2, 3, 4])
def test_a_mosaic_is_several_slices(place):
    assert refused(with_more(ImageType=[*[*IMAGE, "ND"][:place], "MOSAIC"])) == "several_slices"


def test_a_mosaic_is_known_by_its_private_header_too():
    dataset = pydicom.dcmread(BytesIO(with_more()))
    block = dataset.private_block(0x0019, "SIEMENS MR HEADER", create=True)
    block.add_new(0x0A, "US", 36)
    file = BytesIO()
    dataset.save_as(file)
    assert refused(file.getvalue()) == "several_slices"


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (["ORIGINAL", "PRIMARY", "P", "ND"], "complex_component"),
        (["ORIGINAL", "PRIMARY", "PHASE MAP", "P", "FFE"], "complex_component"),
        (["ORIGINAL", "PRIMARY", "R_IR", "R", "IR"], "complex_component"),
        (["ORIGINAL", "PRIMARY", "I", "SE"], "complex_component"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "ADC", "NORM"], "derived_map"),
        (["DERIVED", "PRIMARY", "DIFFUSION", "FA"], "derived_map"),
        (["DERIVED", "PRIMARY", "T1 MAP", "ND"], "derived_map"),
        (["DERIVED", "PRIMARY", "T2_STAR_MAP"], "derived_map"),
        (["DERIVED", "PRIMARY", "PERFUSION", "RELCBV"], "derived_map"),
    ],
)
def test_parts_of_the_signal_and_computed_maps_are_no_slices(kind, code):
    assert left_out(with_more(ImageType=kind)) == code


@pytest.mark.parametrize(
    "kind",
    [
        ["ORIGINAL", "PRIMARY", "M_SE", "M", "SE"], ["DERIVED", "SECONDARY", "REFORMATTED", "AVERAGE"],
        ["DERIVED", "PRIMARY", "DIFFUSION", "TRACEW", "ND"], ["ORIGINAL", "PRIMARY", "OTHER"], ["DERIVED", "SECONDARY"],
        ["DERIVED", "PRIMARY", "MPR", "NORM", "DIS2D"], ["ORIGINAL", "PRIMARY", "T1", "NONE"],
        ["DERIVED", "SECONDARY", "SUBTRACTION"], ["ORIGINAL"], ["T1", "T2", "FLAIR"],
    ],
)  # fmt: skip
def test_pictures_are_answered_whatever_else_their_type_says(kind):
    np.testing.assert_array_equal(read_bytes(with_more(ImageType=kind)).pixels, GREY)


@pytest.mark.parametrize(
    ("kind", "modality"),
    [
        ("1.2.840.10008.5.1.4.1.1.88.33", "SR"),
        ("1.2.840.10008.5.1.4.1.1.88.59", "KO"),
        ("1.2.840.10008.5.1.4.1.1.11.1", "PR"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "DOC"),
        ("1.2.840.10008.5.1.4.1.1.104.2", "SR"),
        ("1.2.840.10008.5.1.4.1.1.66.1", "REG"),
        ("1.2.840.10008.5.1.4.1.1.66", "MR"),
        ("1.2.840.10008.5.1.4.1.1.481.3", "RTSTRUCT"),
        ("1.2.840.10008.5.1.4.1.1.4.2", "MR"),
        ("1.3.12.2.1107.5.9.1", "MR"),
        ("1.2.840.10008.5.1.4.1.1.67", "RWV"),
        ("", "SR"),
    ],
)
def test_objects_that_go_with_a_series_are_left_out(kind, modality):
    dataset = pydicom.dcmread(BytesIO(with_more()))
    del dataset["PixelData"], dataset["Rows"], dataset["Columns"]
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = kind or "1.2.3"
    dataset.Modality = modality
    file = BytesIO()
    dataset.save_as(file)
    assert left_out(file.getvalue()) == "accompanying_object"


@pytest.mark.parametrize(
    ("kind", "modality"),
    [("1.2.840.10008.5.1.4.1.1.66.4", "SEG"), ("1.2.840.10008.5.1.4.1.1.481.2", "RTDOSE"),
     ("1.2.840.10008.5.1.4.1.1.30", "MR")],
)  # fmt: skip
def test_objects_that_go_with_a_series_are_left_out_though_they_hold_pixels(kind, modality):
    assert left_out(with_more(SOPClassUID=kind, Modality=modality)) == "accompanying_object"


def test_a_secondary_capture_of_mr_is_a_picture():
    content = with_more(SOPClassUID="1.2.840.10008.5.1.4.1.1.7", ImageType=["DERIVED", "SECONDARY"])
    np.testing.assert_array_equal(read_bytes(content).pixels, GREY)


@pytest.mark.parametrize("modality", ["CT", "OT", "PT"])
def test_what_is_no_mr_is_refused(modality):
    assert refused(with_more(Modality=modality)) == "not_mr"


@pytest.mark.parametrize("kind", ["", ".1", ".3", ".4"])
def test_without_a_modality_the_class_of_the_object_tells_that_it_is_mr(kind):
    content = with_more(Modality="", SOPClassUID=f"1.2.840.10008.5.1.4.1.1.4{kind}")
    np.testing.assert_array_equal(read_bytes(content).pixels, GREY)
    assert refused(with_more(Modality="", SOPClassUID="1.2.840.10008.5.1.4.1.1.7")) == "not_mr"


def frames(pixels, *groups, shared=()):
    """Return an enhanced file; each group is a list of (sequence, element, value)."""
    made = [group_of(group) for group in groups]
    more = {"PerFrameFunctionalGroupsSequence": made, "SharedFunctionalGroupsSequence": [group_of(shared)]}
    return with_more(np.stack(pixels), **more)


def group_of(elements):
    group = Dataset()
    for name, element, value in elements:
        if name not in group:
            setattr(group, name, [Dataset()])
        setattr(group[name].value[0], element, value)
    return group


def at(position, axes=AXIAL):
    return [
        ("PlanePositionSequence", "ImagePositionPatient", list(position)),
        ("PlaneOrientationSequence", "ImageOrientationPatient", list(axes)),
    ]


def shown(content):
    contents = open_bytes(content)
    assert contents.omit is None
    return [contents.decode(number).pixels for number in range(contents.slices)]


@pytest.mark.parametrize(
    ("sequence", "element", "values"),
    [
        ("MREchoSequence", "EffectiveEchoTime", (10.0, 90.0)),
        ("FrameContentSequence", "TemporalPositionIndex", (1, 2)),
        ("MRDiffusionSequence", "DiffusionBValue", (0.0, 1000.0)),
        ("FrameContentSequence", "FrameComments", ("first", "second")),
    ],
)
def test_echoes_times_and_weightings_come_one_after_the_other(sequence, element, values):
    """Frames are stored position by position; the first volume is read completely, then the second."""
    stored, groups = [], []
    for position in (2, 0, 1):
        for value, volume in zip(values, (SLICES, 200 - SLICES // 2), strict=True):
            stored.append(volume[position])
            groups.append([*at((0, 0, 6.0 * position)), (sequence, element, value)])
    expected = [*SLICES[:3], *(200 - SLICES // 2)[:3]]
    np.testing.assert_array_equal(shown(frames(stored, *groups)), expected)


def test_stacks_come_one_after_the_other():
    places = [(0.0, "1"), (3.0, "2"), (6.0, "1"), (9.0, "2")]
    groups = [[*at((0, 0, z)), ("FrameContentSequence", "StackID", stack)] for z, stack in places]
    np.testing.assert_array_equal(shown(frames(SLICES, *groups)), SLICES[[0, 2, 1, 3]])


def test_frames_without_positions_come_by_their_number_in_the_stack():
    groups = [
        [("FrameContentSequence", "StackID", stack), ("FrameContentSequence", "InStackPositionNumber", number)]
        for stack, number in (("2", 1), ("1", 2), ("2", 2), ("1", 1))
    ]
    np.testing.assert_array_equal(shown(frames(SLICES, *groups)), SLICES[[3, 1, 0, 2]])
    groups[2].pop()
    np.testing.assert_array_equal(shown(frames(SLICES, *groups)), SLICES)


def test_two_planes_come_one_after_the_other():
    groups = [at((0, 0, 6)), at((0, 6, 0), CORONAL), at((0, 0, 0)), at((0, 0, 0), CORONAL)]
    np.testing.assert_array_equal(shown(frames(SLICES, *groups)), SLICES[[2, 0, 1, 3]])


def test_three_planes_at_right_angles_are_a_localiser():
    assert left_out(frames(SLICES[:3], at((0, 0, 0)), at((0, 0, 0), CORONAL), at((0, 0, 0), SAGITTAL))) == "localiser"


def test_whole_stacks_in_three_planes_are_none():
    groups = [at((0, 0, 6.0 * z)) for z in range(24)]
    groups += [at((0, 6.0 * y, 0), CORONAL) for y in range(20)] + [at((6.0 * x, 0, 0), SAGITTAL) for x in range(20)]
    assert len(shown(frames([GREY] * len(groups), *groups))) == len(groups)


def test_a_localiser_is_known_by_the_type_of_its_frames():
    kind = ("MRImageFrameTypeSequence", "FrameType", ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"])
    assert left_out(frames(SLICES[:2], at((0, 0, 0)), at((0, 0, 6)), shared=[kind])) == "localiser"


def test_phase_beside_magnitude_is_refused_frame_by_frame():
    groups = []
    for z in (0.0, 6.0):
        for kind in ("PHASE", "MAGNITUDE"):
            groups.append([*at((0, 0, z)), ("MRImageFrameTypeSequence", "ComplexImageComponent", kind)])
    contents = open_bytes(frames(SLICES, *groups))
    assert (contents.slices, contents.omit) == (4, None)
    for number, frame in enumerate((1, 3)):
        np.testing.assert_array_equal(contents.decode(number).pixels, SLICES[frame])
    for number in (2, 3):
        with pytest.raises(ReadError) as caught:
            contents.decode(number)
        assert caught.value.code == "complex_component"


def test_an_object_of_phases_alone_is_left_out():
    kind = ("MRImageFrameTypeSequence", "ComplexImageComponent", "PHASE")
    assert left_out(frames(SLICES[:2], at((0, 0, 0)), at((0, 0, 6)), shared=[kind])) == "complex_component"


@pytest.mark.parametrize("axes", [(0, 0, 0, 0, 0, 0), (1, 0, 0, 1, 0, 0), (5, 0, 0, 0, 5, 0)])
def test_an_orientation_that_cannot_be_is_none(axes):
    contents = open_bytes(dicom_bytes(GREY, DicomFacts(axes=tuple(map(float, axes)))))
    assert contents.place.position is None
    np.testing.assert_array_equal(contents.decode(0).pixels, GREY)
