"""Tests of Figshare's .mat files: slice, class, patient and mask as published, without guesses."""

from __future__ import annotations

import io
import tracemalloc
import zlib

import numpy as np
import pytest

from gadolin.errors import ReadError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import mat_bytes
from gadolin.readers import open_bytes

h5py = pytest.importorskip("h5py")
savemat = pytest.importorskip("scipy.io").savemat

PHANTOM = draw_patient("glioma", 3, seed=1, slices=1, size=64)[0]
PIXELS = PHANTOM.pixels.astype(np.int16)[:56] * 20  # not square, so that swapped axes show
MASK = PHANTOM.mask[:56]
VERSIONS = pytest.mark.parametrize("version", ["7.3", "5"])


def refused(content):
    with pytest.raises(ReadError) as caught:
        open_bytes(content).decode(0)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) < 600
    return told


def hdf5(**fields):
    """Return the bytes of a MATLAB 7.3 file; a field is an array, or (shape, type) of an empty data set."""
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        group = written.create_group("cjdata")
        for name, value in fields.items():
            if isinstance(value, tuple):
                group.create_dataset(name, value[0], value[1], chunks=True)
            else:
                group.create_dataset(name, data=value)
    return file.getvalue()


@VERSIONS
@pytest.mark.parametrize(("label", "name"), [(1, "meningioma"), (2, "glioma"), (3, "pituitary")])
def test_everything_in_the_file_comes_back(version, label, name):
    contents = open_bytes(mat_bytes(PIXELS, MASK, label=label, patient="100360", version=version))
    read = contents.decode(0)
    np.testing.assert_array_equal(read.pixels, PIXELS.astype(np.float32))
    np.testing.assert_array_equal(contents.outline(0), MASK)
    assert (contents.slices, contents.label, contents.patient) == (1, name, "100360")
    assert (read.bits, read.spacing_mm) == (16, (0.49, 0.49))
    assert contents.outlined


def test_hdf5_holds_the_picture_transposed_and_it_is_turned_upright():
    contents = open_bytes(hdf5(image=PIXELS.T, label=[[1.0]]))
    np.testing.assert_array_equal(contents.decode(0).pixels, PIXELS)
    assert not contents.outlined
    assert contents.patient == ""


@VERSIONS
def test_the_patient_of_a_public_file_stays_as_published_and_is_not_shown(version):
    contents = open_bytes(mat_bytes(PIXELS, MASK, label=1, patient="MR0402", version=version))
    assert contents.patient == "MR0402"
    assert "MR0402" not in repr(contents)


@VERSIONS
def test_a_label_that_is_none_of_the_three_does_not_hide_the_slice(version):
    contents = open_bytes(mat_bytes(PIXELS, MASK, label=7, patient="1", version=version))
    assert contents.label == ""
    np.testing.assert_array_equal(contents.decode(0).pixels, PIXELS)


@pytest.mark.parametrize(
    "fields",
    [
        {"label": np.array([[np.nan]])},
        {"label": np.array([[2.5]])},
        {"label": np.zeros((0, 1))},
        {"PID": np.array([[-7.0]]), "label": np.ones((1, 1))},
        {"PID": np.array([[np.nan]])},
        {"PID": np.array([[7, 200_000]])},
    ],
)
def test_a_label_or_patient_that_is_none_is_not_needed(fields):
    contents = open_bytes(hdf5(image=PIXELS.T, **fields))
    assert contents.label == ("meningioma" if "label" in fields and fields["label"].tolist() == [[1]] else "")
    np.testing.assert_array_equal(contents.decode(0).pixels, PIXELS)


def test_a_patient_that_is_stored_as_a_number_is_that_number():
    assert open_bytes(hdf5(image=PIXELS.T, PID=np.array([[100_360.0]]))).patient == "100360"


@VERSIONS
def test_nan_is_background(version):
    pixels = PIXELS.astype(np.float64)
    pixels[:9] = np.nan
    image = open_bytes(mat_bytes(pixels, MASK, label=1, patient="1", version=version)).decode(0)
    assert (image.pixels[:9] == 0).all()
    np.testing.assert_array_equal(image.pixels[9:], PIXELS[9:])


@pytest.mark.parametrize("pixels", [PIXELS[:8], PIXELS.astype(np.float64) * np.nan], ids=["small", "nan"])
@VERSIONS
def test_a_picture_that_is_no_slice_is_refused(version, pixels):
    told = refused(mat_bytes(pixels, MASK[: len(pixels)], label=1, patient="1", version=version))
    assert "at least 16 pixels a side" in told or "finite numbers" in told


@VERSIONS
def test_a_mask_of_another_size_is_refused_and_its_slice_is_read(version):
    contents = open_bytes(mat_bytes(PIXELS, MASK[:40], label=1, patient="1", version=version))
    np.testing.assert_array_equal(contents.decode(0).pixels, PIXELS)
    with pytest.raises(ReadError) as caught:
        contents.outline(0)
    assert "(40, 64)" in caught.value.got
    assert "(56, 64)" in caught.value.got
    assert caught.value.code == "outline_size_differs"


def test_a_file_without_a_slice_is_refused_with_what_it_holds():
    file = io.BytesIO()
    with h5py.File(file, "w") as written:
        written["cvind"] = np.ones((1, 3064))
    assert "must hold cjdata with an image, this one holds cvind; leave it out" in refused(file.getvalue())
    file = io.BytesIO()
    savemat(file, {"cvind": np.ones((3064, 1)), "more": 1})
    assert "this one holds cvind, more; leave it out" in refused(file.getvalue())


@pytest.mark.parametrize("fields", [{"label": np.ones((1, 1))}, {}], ids=["no image", "empty"])
def test_a_struct_without_an_image_is_refused(fields):
    assert "must hold cjdata with an image" in refused(hdf5(**fields))


def test_a_picture_of_three_axes_is_refused():
    assert "must be a matrix of numbers, got (32, 32, 32)" in refused(hdf5(image=np.zeros((32, 32, 32))))


@pytest.mark.parametrize(
    "shape", [(6000, 6000), (30_000, 30_000), (1_000_000, 1_000_000)], ids=lambda shape: f"{shape[0]:,}"
)
@pytest.mark.parametrize("field", ["image", "tumorMask", "PID"])
def test_a_huge_data_set_with_nothing_behind_it_is_refused_before_its_memory_is_taken(shape, field):
    fields = {"image": PIXELS.T, "label": np.ones((1, 1))} | {field: (shape, "f8")}
    content = hdf5(**fields)
    assert len(content) < 100_000
    tracemalloc.start()
    try:
        refused(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4 << 20


@pytest.mark.slow
def test_a_zlib_bomb_is_refused_before_its_memory_is_taken():
    packer, zeros = zlib.compressobj(9), bytes(1 << 20)
    packed = b"".join([*(packer.compress(zeros) for _ in range(100)), packer.flush()])
    head = b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"
    content = head + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    tracemalloc.start()
    try:
        assert "do not trust this file" in refused(content)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20, "every file may unpack to 64 MiB"


@VERSIONS
@pytest.mark.parametrize("share", [0.05, 0.3, 0.9])
def test_a_truncated_file_is_refused(version, share):
    content = mat_bytes(PIXELS, MASK, label=1, patient="1", version=version)
    refused(content[: int(len(content) * share)])
