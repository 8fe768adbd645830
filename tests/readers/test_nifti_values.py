"""Tests of NIfTI voxels: the background is black, the valid transform is used, label maps are refused."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from nibabel.nifti1 import Nifti1Image

from gadolin.errors import DamagedFileError, ReadError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import nifti_bytes
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import open_bytes, read_bytes

HEADS = np.stack([each.pixels for each in draw_patient("glioma", 3, seed=1, slices=4, size=64)], 2)
INSIDE = np.isin(HEADS, HEADS[HEADS > 40]) & (HEADS > 40)
AFFINE = np.diag([0.9, 1.1, 6.0, 1.0])
SFORM, QFORM = 280, 256  # offsets of the sform rows and the quaternion


def slices_of(content, plane="axial"):
    contents = open_bytes(content, plane=plane)
    assert contents.omit is None
    return [contents.decode(number) for number in range(contents.slices)]


def shown(volume, number):
    """Return a slice in radiological view."""
    return volume[:, :, number].T[::-1, ::-1]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("rescale", [None, (2.0, 7.0), (-1.0, 0.0)])
def test_nan_is_as_dark_as_the_darkest_voxel(kind, rescale):
    volume = np.where(INSIDE, HEADS, np.nan).astype(kind)
    slope, intercept = rescale or (1.0, 0.0)
    for number, read in enumerate(slices_of(nifti_bytes(volume, rescale=rescale))):
        there = shown(INSIDE, number)
        np.testing.assert_allclose(read.pixels[there], shown(HEADS, number)[there] * np.float32(slope) + intercept)
        assert set(np.unique(read.pixels[~there])) == {np.float32(np.nanmin(volume * slope + intercept))}


def test_a_slice_that_is_all_nan_is_black_and_a_volume_of_nan_is_refused():
    volume = HEADS.astype(np.float32)
    volume[:, :, 2] = np.nan
    assert set(np.unique(slices_of(nifti_bytes(volume))[2].pixels)) == {volume[:, :, :2].min()}
    with pytest.raises(DamagedFileError) as caught:
        open_bytes(nifti_bytes(np.full_like(volume, np.nan)))
    assert caught.value.code == "pixels_not_finite"


@pytest.mark.parametrize("background", [0.0, -1.0, 0.3, 9.0])
def test_a_constant_background_that_is_not_dark_becomes_black(background):
    scored = ((HEADS - HEADS[INSIDE].mean()) / HEADS[INSIDE].std()).astype(np.float32)
    volume = np.where(INSIDE, scored, np.float32(background))
    for number, read in enumerate(slices_of(nifti_bytes(volume, affine=AFFINE))):
        there = shown(INSIDE, number)
        np.testing.assert_array_equal(read.pixels[there], shown(volume, number)[there])
        assert set(np.unique(read.pixels[~there])) == {volume[INSIDE].min()}


def test_a_scored_volume_prepares_as_the_one_that_it_was_made_of():
    plain = np.where(INSIDE, HEADS, HEADS[INSIDE].min()).astype(np.float32)
    scored = np.where(INSIDE, (plain - 100) / 30, 0).astype(np.float32)
    pairs = zip(slices_of(nifti_bytes(plain)), slices_of(nifti_bytes(scored)), strict=True)
    for ours, theirs in pairs:
        difference = prepare(ours, Preparation(64)).astype(int) - prepare(theirs, Preparation(64))
        assert np.abs(difference).mean() < 3


def test_a_background_that_is_constant_but_for_rounding_becomes_black(rng):
    scored = np.where(INSIDE, (HEADS - 100.0) / 30, rng.normal(0, 1e-8, HEADS.shape)).astype(np.float32)
    for number, read in enumerate(slices_of(nifti_bytes(scored))):
        assert set(np.unique(read.pixels[~shown(INSIDE, number)])) == {scored[INSIDE].min()}


def test_one_voxel_far_below_all_others_does_not_decide_how_dark_black_is():
    volume = np.where(INSIDE, HEADS / 255.0 - 0.5, 0).astype(np.float32)
    volume[tuple(np.argwhere(INSIDE)[0])] = -1e6
    assert slices_of(nifti_bytes(volume))[0].pixels[0, 0] > -3


@pytest.mark.parametrize("scale", [(0, 1), (-1, 1), (0, 255)])
def test_a_background_that_is_the_darkest_stays_as_it_is(scale):
    low, high = scale
    volume = (HEADS / 255.0 * (high - low) + low).astype(np.float32)
    volume[~INSIDE] = low
    for number, read in enumerate(slices_of(nifti_bytes(volume))):
        np.testing.assert_array_equal(read.pixels, shown(volume, number))


def test_noise_around_the_head_is_no_constant_background(rng):
    volume = (HEADS + rng.normal(0, 5, HEADS.shape)).astype(np.float32)
    for number, read in enumerate(slices_of(nifti_bytes(volume))):
        np.testing.assert_array_equal(read.pixels, shown(volume, number))


def with_transforms(*, sform=None, qform=None, codes=(1, 1)):
    """Return a volume with both transforms; some of their bytes are overwritten."""
    image = Nifti1Image(HEADS.astype(np.int16), AFFINE)
    image.set_sform(AFFINE, codes[1])
    image.set_qform(AFFINE, codes[0])
    content = bytearray(image.to_bytes())
    if sform is not None:
        content[SFORM : SFORM + 48] = np.array(sform, "<f4").tobytes()
    if qform is not None:
        content[QFORM : QFORM + 12] = np.array(qform, "<f4").tobytes()
    return bytes(content)


@pytest.mark.parametrize(
    "sform", [[0] * 12, [np.nan] * 12, [np.inf] * 12, [1, 1, 0, 0] * 3, [1e-30] * 12], ids=lambda rows: str(rows[:2])
)
def test_where_the_sform_cannot_be_the_qform_counts(sform):
    whole, broken = slices_of(with_transforms()), slices_of(with_transforms(sform=sform))
    for ours, theirs in zip(whole, broken, strict=True):
        np.testing.assert_array_equal(ours.pixels, theirs.pixels)
        assert ours.spacing_mm == pytest.approx(theirs.spacing_mm)


@pytest.mark.parametrize("qform", [[np.nan] * 3, [5, 5, 5]])
def test_where_the_qform_cannot_be_the_sform_counts(qform):
    for codes in ((1, 1), (1, 2)):
        np.testing.assert_array_equal(
            slices_of(with_transforms(qform=qform, codes=codes))[1].pixels, slices_of(with_transforms())[1].pixels
        )


def test_where_neither_can_be_that_is_told():
    with pytest.raises(DamagedFileError) as caught:
        open_bytes(with_transforms(sform=[0] * 12, qform=[5, 5, 5]))
    assert caught.value.code == "nifti_affine_invalid"


@pytest.mark.parametrize("steps", [[np.nan] * 3, [0, 0, 0], [-0.9, -1.1, -6.0]])
def test_where_no_transform_is_told_the_steps_are_not_needed(steps):
    content = bytearray(with_transforms(codes=(0, 0)))
    struct.pack_into("<3f", content, 80, *steps)
    assert len(slices_of(bytes(content))) == HEADS.shape[2]


@pytest.mark.parametrize(("slope", "intercept"), [(0, 3), (np.nan, np.nan), (np.inf, 1), (1, np.nan), (1, np.inf)])
def test_a_scale_that_is_none_is_not_applied(slope, intercept):
    content = bytearray(nifti_bytes(HEADS.astype(np.int16), compress=False))
    struct.pack_into("<2f", content, 112, slope, intercept)
    np.testing.assert_array_equal(slices_of(bytes(content))[1].pixels, shown(HEADS, 1))


def test_metres_and_micrometres_are_millimetres_in_the_end():
    for unit, steps in ((1, 0.001), (2, 1.0), (3, 1000.0)):
        image = Nifti1Image(HEADS.astype(np.int16), AFFINE * [steps, steps, steps, 1])
        image.header["xyzt_units"] = unit
        assert slices_of(image.to_bytes())[0].spacing_mm == pytest.approx((1.1, 0.9), rel=1e-5)


@pytest.mark.parametrize("offset", [0, np.nan, 348])
def test_an_offset_that_cannot_be_is_the_least(offset):
    content = bytearray(nifti_bytes(HEADS.astype(np.int16), compress=False))
    struct.pack_into("<f", content, 108, offset)
    np.testing.assert_array_equal(slices_of(bytes(content))[1].pixels, shown(HEADS, 1))


def test_a_damaged_extension_is_not_needed():
    plain = nifti_bytes(HEADS.astype(np.int16), compress=False)
    content = bytearray(plain[:348] + b"\1\0\0\0" + struct.pack("<2i", 2**31 - 1, 6) + bytes(8) + plain[352:])
    struct.pack_into("<f", content, 108, 368)
    np.testing.assert_array_equal(slices_of(bytes(content))[1].pixels, shown(HEADS, 1))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_single_slice_is_cut_as_it_lies(axis):
    volume = np.expand_dims(HEADS[:, :, 1].astype(np.int16), axis)
    contents = open_bytes(nifti_bytes(volume))
    assert contents.slices == 1
    assert contents.decode(0).pixels.shape == (64, 64)


def labels(kind="few"):
    volume = np.zeros((48, 48, 20), np.int16)
    if kind == "few":
        volume[10:30, 12:30, 5:15], volume[14:20, 15:20, 8:12] = 1, 4
    elif kind == "small":
        volume[10:12, 12:14, 5] = 1
    else:
        parts = np.add.outer(np.arange(40) // 8 * 5, np.arange(40) // 8)[..., None] + 25 * (np.arange(16) // 4)
        volume[4:44, 4:44, 2:18] = parts + 1
    return volume


@pytest.mark.parametrize("kind", ["few", "small", "atlas"])
@pytest.mark.parametrize("form", [np.uint8, np.int16, np.float32])
def test_labels_are_no_picture_but_can_be_read_as_an_outline(kind, form):
    contents = open_bytes(nifti_bytes(labels(kind).astype(form)), plane="axial")
    assert contents.omit is not None
    assert contents.omit.code == "label_map"
    np.testing.assert_array_equal(contents.outline(5), shown(labels(kind), 5) != 0)
    for refused, code in ((contents.decode, "label_map"), (contents.outline, "frame_out_of_range")):
        with pytest.raises(ReadError) as caught:
            refused(20)
        assert caught.value.code == code


@pytest.mark.parametrize(("background", "scale"), [(np.nan, 1), (-1, 1), (1, 1), (0, 0.5), (0, 255)])
def test_labels_may_have_any_background(background, scale):
    volume = np.where(labels() > 0, labels() * scale + 2, background).astype(np.float32)
    contents = open_bytes(nifti_bytes(volume))
    assert contents.omit is not None
    assert contents.omit.code == "label_map"


def test_labels_are_not_answered_as_a_slice():
    with pytest.raises(ReadError) as caught:
        read_bytes(nifti_bytes(labels()[:, :, 9]))
    assert caught.value.code == "label_map"


@pytest.mark.parametrize("form", [np.uint8, np.int16, np.float32])
def test_a_picture_is_no_labels(form):
    for volume in (HEADS, HEADS // 8, np.where(INSIDE, HEADS, 0), np.zeros_like(HEADS), np.repeat(HEADS, 3, axis=0)):
        assert open_bytes(nifti_bytes(volume.astype(form))).omit is None


@pytest.mark.parametrize("form", [np.uint8, np.int16, np.float32])
@pytest.mark.parametrize("levels", [8, 13, 16])
def test_a_picture_of_few_grey_levels_is_no_labels(levels, form):
    volume = np.rint(HEADS / HEADS.max() * (levels - 1)).astype(form)
    assert open_bytes(nifti_bytes(volume)).omit is None


@pytest.mark.parametrize(
    ("intent", "code"), [(3, "statistic_map"), (5, "statistic_map"), (22, "statistic_map"), (1002, "label_map"),
                         (1006, "vector_field"), (1007, "vector_field"), (0, None), (2001, None), (1001, None)],
)  # fmt: skip
def test_what_the_header_calls_no_picture_is_left_out(intent, code):
    content = bytearray(nifti_bytes(HEADS.astype(np.int16), compress=False))
    struct.pack_into("<h", content, 68, intent)
    omit = open_bytes(bytes(content)).omit
    assert (omit and omit.code) == code


@pytest.mark.parametrize("code", [-1, 7, 300])
def test_a_transform_of_an_unknown_code_is_one(code):
    content = bytearray(with_transforms(codes=(0, 1)))
    struct.pack_into("<h", content, 254, code)
    np.testing.assert_array_equal(slices_of(bytes(content))[1].pixels, slices_of(with_transforms())[1].pixels)


def test_voxels_behind_a_header_without_room_for_extensions_are_read():
    plain = nifti_bytes(HEADS.astype(np.int16), compress=False)
    content = bytearray(plain[:348] + plain[352:])
    struct.pack_into("<f", content, 108, 348)
    np.testing.assert_array_equal(slices_of(bytes(content))[1].pixels, shown(HEADS, 1))


@pytest.mark.parametrize(
    ("form", "place", "values"),
    [("h", 72, [99]), ("80s", 148, [b"\xff" * 80]), ("2f", 124, [np.nan, np.nan]), ("B", 123, [255]), ("B", 122, [99]),
     ("f", 136, [np.inf]), ("f", 76, [np.nan]), ("f", 76, [0]), ("3f", 80, [1e30] * 3), ("f", 92, [np.nan])],
)  # fmt: skip
def test_what_is_not_needed_of_a_header_may_be_anything(form, place, values):
    content = bytearray(with_transforms(codes=(0, 1)))
    struct.pack_into(f"<{form}", content, place, *values)
    read = slices_of(bytes(content))[1]
    np.testing.assert_array_equal(read.pixels, shown(HEADS, 1))
    assert read.spacing_mm == pytest.approx((1.1, 0.9))


def test_a_header_that_is_put_right_is_no_noise(capfd):
    content = bytearray(with_transforms())
    struct.pack_into("<3f", content, 80, -0.9, -1.1, -6.0)
    slices_of(bytes(content))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("volume", "rescale"),
    [(HEADS * 1e-300, None), (HEADS + 1e12, None), (HEADS.astype(np.int16), (1.0, 1e12)),
     (HEADS.astype(np.int32) + 2**30, None)],
    ids=["tiny", "far", "shifted", "whole"],
)  # fmt: skip
def test_values_that_single_precision_cannot_tell_apart_are_refused(volume, rescale):
    with pytest.raises(ReadError) as caught:
        open_bytes(nifti_bytes(volume, rescale=rescale))
    assert caught.value.code == "values_too_close"


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1e6, 1e30])
def test_values_of_any_size_are_read(scale):
    read = slices_of(nifti_bytes(HEADS * scale))[1]
    np.testing.assert_allclose(read.pixels, shown(HEADS, 1) * np.float64(scale), rtol=1e-6)
