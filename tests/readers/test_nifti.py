"""Tests of the NIfTI reader: the same image for every orientation in the file, with bounded reading."""

from __future__ import annotations

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from nibabel.affines import from_matvec
from nibabel.nifti1 import Nifti1Image, Nifti1Pair
from nibabel.nifti2 import Nifti2Image
from nibabel.orientations import axcodes2ornt, ornt_transform

from gadolin.errors import ReadError, RequestError
from gadolin.phantoms.encode import nifti_bytes
from gadolin.readers import open_bytes, open_file, read

SHAPE = (40, 34, 20)  # x to the right, y to the front, z to the head
VOLUME = (np.arange(np.prod(SHAPE)) % 4001).astype(np.int16).reshape(SHAPE)
SPACING = (0.9, 1.1, 4.0)
AFFINE = np.diag([*SPACING, 1.0])
ACROSS = {"sagittal": 0, "coronal": 1, "axial": 2}


def seen(volume, plane, number):
    """Return a slice in radiological view: head or front up, the patient's right, or front, on the left."""
    return np.take(volume, number, axis=ACROSS[plane]).T[::-1, ::-1].astype(np.float32)


def laid(codes):
    """Return the same volume in a file whose axes follow the three letters of ``codes``."""
    image = Nifti1Image(VOLUME, AFFINE)
    return image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)))


def all_slices(content, plane="axial"):
    contents = open_bytes(content, plane=plane)
    return [contents.decode(number).pixels for number in range(contents.slices)]


@pytest.mark.parametrize("plane", ACROSS)
def test_a_plane_is_cut_in_anatomical_order(plane):
    contents = open_bytes(nifti_bytes(VOLUME, affine=AFFINE), plane=plane)
    assert contents.slices == SHAPE[ACROSS[plane]]
    for number in range(contents.slices):
        np.testing.assert_array_equal(contents.decode(number).pixels, seen(VOLUME, plane, number))


@pytest.mark.parametrize(
    ("plane", "spacing"), [("axial", (1.1, 0.9)), ("coronal", (4.0, 0.9)), ("sagittal", (4.0, 1.1))]
)
def test_the_spacing_is_that_of_the_plane(plane, spacing):
    assert open_bytes(nifti_bytes(VOLUME, affine=AFFINE), plane=plane).decode(0).spacing_mm == pytest.approx(spacing)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "LAS", "RPI", "PIR", "SAL", "ASR", "IPL"])
@pytest.mark.parametrize("plane", ACROSS)
def test_the_same_volume_gives_the_same_slices_however_it_lies(codes, plane):
    content = laid(codes).to_bytes()
    for ours, theirs in zip(all_slices(content, plane), all_slices(nifti_bytes(VOLUME), plane), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert open_bytes(content, plane="acquired").slices == SHAPE[2], "the thick axis is found in every orientation"


@pytest.mark.parametrize("degrees", [-25, 10, 30])
def test_a_tilted_volume_is_cut_along_its_own_axes(degrees):
    turn = np.radians(degrees)
    tilt = np.array([[1, 0, 0], [0, np.cos(turn), -np.sin(turn)], [0, np.sin(turn), np.cos(turn)]])
    content = nifti_bytes(VOLUME, affine=from_matvec(tilt @ np.diag(SPACING), [5, -20, 3]))
    for ours, theirs in zip(all_slices(content), all_slices(nifti_bytes(VOLUME)), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert open_bytes(content, plane="axial").decode(0).spacing_mm == pytest.approx((1.1, 0.9))


@pytest.mark.parametrize(
    ("spacing", "slices"), [((1, 1, 1), 20), ((1, 1, 6), 20), ((6, 1, 1), 40), ((1, 6, 1), 34), ((1, 1, 1.4), 20)]
)
def test_the_acquired_plane_lies_across_the_thick_axis_and_else_is_axial(spacing, slices):
    assert open_bytes(nifti_bytes(VOLUME, affine=np.diag([*spacing, 1.0]))).slices == slices


@pytest.mark.parametrize("kind", [np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("compress", [True, False])
def test_numbers_come_back_as_they_were(kind, compress):
    slices = all_slices(nifti_bytes(VOLUME.astype(kind), compress=compress))
    np.testing.assert_array_equal(slices, [seen(VOLUME, "axial", number) for number in range(SHAPE[2])])


@pytest.mark.parametrize(
    ("kind", "rescale", "bits"), [(np.uint8, None, 8), (np.uint8, (2, 0), 16), (np.int16, None, 16)]
)
def test_only_plain_bytes_follow_the_rule_of_eight_bits(kind, rescale, bits):
    content = nifti_bytes((VOLUME % 251).astype(kind), rescale=rescale)
    assert open_bytes(content).decode(0).bits == bits


def test_values_are_rescaled():
    slices = all_slices(nifti_bytes(VOLUME, rescale=(0.5, -10)))
    np.testing.assert_array_equal(slices[3], seen(VOLUME, "axial", 3) * np.float32(0.5) - 10)


def test_of_four_dimensions_the_first_volume_comes_first():
    volumes = np.stack([VOLUME, VOLUME + 1, VOLUME + 2], axis=3)
    slices = all_slices(nifti_bytes(volumes))
    assert len(slices) == 60
    np.testing.assert_array_equal(slices[20 + 7], seen(VOLUME + 1, "axial", 7))


def test_nifti_2_is_read_alike():
    np.testing.assert_array_equal(all_slices(Nifti2Image(VOLUME, AFFINE).to_bytes()), all_slices(nifti_bytes(VOLUME)))


def test_both_byte_orders_are_read():
    image = Nifti1Image(VOLUME, AFFINE, Nifti1Image(VOLUME, AFFINE).header.as_byteswapped(">"))
    np.testing.assert_array_equal(all_slices(image.to_bytes()), all_slices(nifti_bytes(VOLUME)))


def refused(content, **options):
    with pytest.raises(ReadError) as caught:
        open_bytes(content, **options).decode(0)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 600
    return told


def test_a_plane_that_there_is_not_is_refused_with_a_suggestion():
    with pytest.raises(RequestError, match=r"the plane must be one of .*, got 'axal' \(did you mean 'axial'\?\)"):
        open_bytes(nifti_bytes(VOLUME), plane="axal")


def test_one_slice_of_many_must_be_named(tmp_path):
    path = tmp_path / "brain.nii.gz"
    path.write_bytes(nifti_bytes(VOLUME))
    np.testing.assert_array_equal(read(path, 4, plane="axial").pixels, seen(VOLUME, "axial", 4))
    with pytest.raises(ReadError) as caught:
        read(path)
    assert caught.value.code == "frame_needed"
    assert "20" in str(caught.value)
    with pytest.raises(ReadError) as caught:
        read(path, 20)
    assert caught.value.code == "frame_out_of_range"
    assert str(caught.value).count(str(path)) == 1


def test_a_header_that_claims_more_than_the_file_holds_is_refused_unread():
    content = bytearray(nifti_bytes(VOLUME, compress=False))
    struct.pack_into("<8h", content, 40, 3, 30000, 30000, 30000, 1, 1, 1, 1)
    tracemalloc.start()
    try:
        told = refused(bytes(content))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "the header declares 54,000,000,000,000 and the file holds 54,400; fetch it again" in told
    assert peak < 1 << 20


@pytest.mark.slow
def test_a_gzip_bomb_is_refused():
    head = nifti_bytes(VOLUME, compress=False)[:352]
    told = refused(gzip.compress(head + bytes(100 << 20)))
    assert "do not trust this file" in told


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_a_volume_that_is_infinite_somewhere_is_refused_once(value):
    volume = VOLUME.astype(np.float32)
    volume[3, 4, 5] = value
    with pytest.raises(ReadError) as caught:
        open_bytes(nifti_bytes(volume))
    assert caught.value.code == "pixels_not_finite"


def test_a_slice_that_is_too_large_for_float32_is_refused_and_the_others_are_read():
    volume = VOLUME.astype(np.float64)
    volume[3, 4, 5] = 1e39
    contents = open_bytes(nifti_bytes(volume))
    contents.decode(4)
    with pytest.raises(ReadError) as caught:
        contents.decode(5)
    assert caught.value.code == "pixels_not_finite"


def test_a_volume_of_colours_is_refused():
    colours = np.zeros(SHAPE, [("R", "u1"), ("G", "u1"), ("B", "u1")])
    assert "must hold real numbers" in refused(Nifti1Image(colours, AFFINE).to_bytes())
    assert "must hold real numbers" in refused(nifti_bytes(VOLUME.astype(np.complex64)))


def test_a_header_without_its_voxels_is_refused(tmp_path):
    Nifti1Pair(VOLUME, AFFINE).to_filename(tmp_path / "brain.hdr")
    with pytest.raises(ReadError) as caught:
        open_file(tmp_path / "brain.hdr")
    assert caught.value.code == "nifti_header_alone"
    assert str(caught.value).startswith(f"{tmp_path / 'brain.hdr'}: ")


@pytest.mark.parametrize("row", [0, 2])
@pytest.mark.parametrize("value", [0.0, np.nan])
def test_a_volume_that_lies_nowhere_is_refused(row, value):
    content = bytearray(nifti_bytes(VOLUME, affine=AFFINE, compress=False))
    struct.pack_into("<2h", content, 252, 0, 1)  # the rows of the sform start at byte 280
    struct.pack_into("<4f", content, 280 + 16 * row, *[value] * 4)
    assert "; export it again" in refused(bytes(content))


@pytest.mark.parametrize("keep", [348, 400, 20_000])
def test_a_truncated_volume_is_refused(keep):
    assert "; fetch it again" in refused(nifti_bytes(VOLUME, compress=False)[:keep])
    packed = nifti_bytes(VOLUME)
    assert "this is truncated; fetch the file again" in refused(packed[: len(packed) // 2])


def test_a_volume_of_less_than_a_slice_is_refused():
    assert "at least 16 pixels a side" in refused(nifti_bytes(VOLUME[:10]), plane="axial")
