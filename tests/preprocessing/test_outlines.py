"""Tests of outlines on the grid of the prepared slice."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from PIL import Image

from gadolin.errors import DataError, ReadError
from gadolin.phantoms import draw_patient
from gadolin.phantoms.encode import mat_bytes, nifti_bytes
from gadolin.preprocessing.outlines import OUTLINE_SIZE, prepared_outlines, slice_and_mask
from gadolin.preprocessing.prepare import Preparation, find_frame, prepare
from gadolin.readers import read
from gadolin.records import NO_LESION, Record, Slice

WHOLE = Preparation(crop=False)


@pytest.fixture
def outlined(tmp_path):
    """An image of 128 x 128 pixels and an outline of its upper left quarter."""
    mask = np.zeros((128, 128), np.uint8)
    mask[:64, :64] = 1
    Image.fromarray(np.full((128, 128), 90, np.uint8)).save(tmp_path / "slice.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return Record(tmp_path / "slice.png", "glioma", outline=str(tmp_path / "mask.png"), digest="a")


def test_a_quarter_stays_a_quarter(outlined):
    found = prepared_outlines([outlined], WHOLE)

    assert found is not None
    half = OUTLINE_SIZE // 2
    wanted = np.zeros((OUTLINE_SIZE, OUTLINE_SIZE), np.uint8)
    wanted[:half, :half] = 255
    np.testing.assert_array_equal(found.coverage[0], wanted)


def test_an_outline_moves_with_the_crop_of_its_slice(tmp_path):
    pixels = np.zeros((200, 300), np.uint8)
    pixels[40:140, 150:250] = 120
    Image.fromarray(pixels).save(tmp_path / "slice.png")
    Image.fromarray((pixels > 0).astype(np.uint8)).save(tmp_path / "mask.png")
    record = Record(tmp_path / "slice.png", "glioma", outline=str(tmp_path / "mask.png"), digest="a")

    found = prepared_outlines([record], Preparation(margin=0.0))

    assert found is not None
    assert (found.coverage[0] > 0).mean() > 0.9, "the head fills the cropped image, and the outline follows"


def test_slices_without_an_outline_are_told_apart(outlined):
    calls = []
    found = prepared_outlines(
        [replace(outlined, outline=""), outlined], WHOLE, progress=lambda done, total, what: calls.append((done, total))
    )

    assert found is not None
    assert found.known.tolist() == [False, True]
    assert not found.coverage[0].any()
    assert calls == [(1, 1)], "only slices with an outline are counted"


def test_where_no_record_names_an_outline_there_are_none(outlined):
    assert prepared_outlines([replace(outlined, outline="")], WHOLE) is None


def test_an_outline_of_another_size_is_refused(outlined, tmp_path):
    Image.fromarray(np.ones((64, 64), np.uint8)).save(tmp_path / "mask.png")

    with pytest.raises(DataError) as caught:
        prepared_outlines([outlined], WHOLE)
    assert caught.value.code == "outline_size_differs"
    assert caught.value.path == str(tmp_path / "mask.png")


PHANTOM = draw_patient("meningioma", 3, seed=1, slices=1, size=96)[0]


def expected(image, mask, preparation):
    """Return the coverage of a mask, prepared by hand with the crop of its slice."""
    frame = replace(find_frame(image, preparation), black=0.0, white=255.0)
    return prepare(Slice(mask.astype(np.float32) * 255), replace(preparation, size=OUTLINE_SIZE), frame)


@pytest.mark.parametrize("version", ["7.3", "5"])
def test_a_mat_file_is_its_own_outline(version, tmp_path):
    path = tmp_path / "1.mat"
    path.write_bytes(mat_bytes(PHANTOM.pixels, PHANTOM.mask, label=1, patient="7", version=version))

    found = prepared_outlines([Record(path, "meningioma", outline=str(path))], Preparation())

    assert found is not None
    assert PHANTOM.mask.any()
    image = Slice(PHANTOM.pixels.astype(np.float32))
    np.testing.assert_array_equal(found.coverage[0], expected(image, PHANTOM.mask, Preparation()))


@pytest.fixture
def volume(tmp_path):
    """A volume of three different slices and a volume of their three different masks."""
    slices = np.stack([np.full((40, 32), 100 * (n + 1)) for n in range(3)], 2).astype(np.int16)
    masks = np.zeros((40, 32, 3), np.uint8)
    masks[:20, :, 0] = masks[:, :16, 1] = 1
    (tmp_path / "brain.nii.gz").write_bytes(nifti_bytes(slices))
    (tmp_path / "mask.nii.gz").write_bytes(nifti_bytes(masks))
    outline = str(tmp_path / "mask.nii.gz")
    return [Record(tmp_path / "brain.nii.gz", "glioma", outline=outline, frame=frame) for frame in range(3)], masks


def test_a_volume_of_masks_gives_the_mask_of_the_same_frame(volume):
    records, masks = volume

    found = prepared_outlines(records[::-1], WHOLE)

    assert found is not None
    for record, coverage in zip(records[::-1], found.coverage, strict=True):
        mask = masks[..., record.frame].T[::-1, ::-1]
        np.testing.assert_array_equal(coverage, expected(read(record.path, record.frame), mask, WHOLE))
    assert [bool(coverage.any()) for coverage in found.coverage] == [False, True, True]


def test_a_mask_volume_of_fewer_slices_is_refused_by_its_own_name_once(volume, tmp_path):
    records, masks = volume
    (tmp_path / "mask.nii.gz").write_bytes(nifti_bytes(masks[..., :2]))
    with pytest.raises(ReadError) as caught:
        prepared_outlines(records, WHOLE)
    assert caught.value.code == "frame_out_of_range"
    assert str(caught.value).startswith(f"{tmp_path / 'mask.nii.gz'}: ")
    assert "brain" not in str(caught.value)


def test_where_no_lesion_is_shown_the_coverage_is_known_to_be_nothing(outlined):
    found = prepared_outlines([replace(outlined, outline=NO_LESION), outlined], WHOLE)

    assert found is not None
    assert found.known.tolist() == [True, True]
    assert not found.coverage[0].any()
    assert found.coverage[1].any()


def test_no_lesions_alone_are_no_outlines_to_learn_from(outlined):
    assert prepared_outlines([replace(outlined, outline=NO_LESION)], WHOLE) is None


LABELS = np.zeros((128, 128), np.uint8)
LABELS[30:90, 30:90], LABELS[40:70, 40:70], LABELS[50:60, 50:60] = 2, 1, 4
INSIDE = LABELS > 0


def with_mask(folder, save):
    """Return a record of a grey slice; ``save`` writes its mask to a given path."""
    Image.fromarray(np.full((128, 128), 90, np.uint8)).save(folder / "slice.png")
    save(folder / "mask")
    return Record(folder / "slice.png", "glioma", outline=str(folder / "mask"), digest="a")


def as_picture(pixels, kind="PNG", **options):
    return lambda path: Image.fromarray(np.asarray(pixels)).save(path, kind, **options)


def red(mask):
    return np.dstack([mask.astype(np.uint8) * 255, np.zeros((128, 128, 2), np.uint8)])


NUMBERED = np.zeros((128, 128), np.uint8)
for _number in range(20):
    NUMBERED[6 * _number : 6 * _number + 4, 20:100] = _number + 1
SMOOTH = cv2.GaussianBlur(INSIDE.astype(np.float32), (9, 9), 0)
MASKS = {
    "1": (as_picture(INSIDE.astype(np.uint8)), INSIDE),
    "255": (as_picture(INSIDE.astype(np.uint8) * 255), INSIDE),
    "one bit": (as_picture(INSIDE), INSIDE),
    "labels 1, 2 and 4": (as_picture(LABELS), INSIDE),
    "labels as grey levels": (as_picture(LABELS * 60), INSIDE),
    "labels of 16 bits": (as_picture(LABELS.astype(np.uint16) * 1000), INSIDE),
    "labels of real numbers": (as_picture(LABELS.astype(np.float32), "TIFF"), INSIDE),
    "labels about whole": (as_picture(LABELS * np.float32(0.99995) + np.float32(1e-6), "TIFF"), INSIDE),
    "numbered about whole": (as_picture(NUMBERED * np.float32(1.00001), "TIFF"), NUMBERED > 0),
    "a small number": (as_picture(INSIDE * np.float32(1 / 255), "TIFF"), INSIDE),
    "lesions numbered one by one": (as_picture(NUMBERED), NUMBERED > 0),
    "red on black": (as_picture(red(INSIDE)), INSIDE),
    "red on black, JPEG": (as_picture(red(INSIDE), "JPEG", quality=95), INSIDE),
    "white on black, JPEG": (as_picture(INSIDE.astype(np.uint8) * 255, "JPEG", quality=60), INSIDE),
    "white on black, WebP": (as_picture(INSIDE.astype(np.uint8) * 255, "WEBP", quality=50), INSIDE),
    "labels, lossless WebP": (as_picture(LABELS, "WEBP", lossless=True, exact=True), INSIDE),
    "smoothed": (as_picture(np.rint(SMOOTH * 255).astype(np.uint8)), np.rint(SMOOTH * 255) > 127.5),
    "a share of 1": (as_picture(SMOOTH, "TIFF"), SMOOTH.max() / 2 < SMOOTH),
    "transparent around": (as_picture(np.dstack([np.full((128, 128), 200, np.uint8), INSIDE * np.uint8(255)])), INSIDE),
}


@pytest.mark.parametrize("name", MASKS)
def test_a_mask_is_read_as_it_was_meant(name, tmp_path):
    save, meant = MASKS[name]
    _, mask = slice_and_mask(with_mask(tmp_path, save))
    wrong = np.count_nonzero(mask != meant) / np.count_nonzero(meant)
    assert wrong < (0.04 if "JPEG" in name or name.endswith("on black, WebP") else 1e-9)


def test_a_mask_that_was_cut_is_said_so_once_and_labels_are_not(tmp_path, caplog):
    folders = [tmp_path / str(number) for number in range(3)]
    for folder in folders:
        folder.mkdir()
    records = [
        with_mask(folder, MASKS[name][0])
        for folder, name in zip(folders, ["smoothed", "white on black, JPEG", "1"], strict=True)
    ]
    found = prepared_outlines(records, WHOLE)
    assert found.cut == (0, 1)
    assert len(caplog.records) == 1
    assert "2 of 3 outlines" in caplog.text
    caplog.clear()
    assert prepared_outlines(records[2:], WHOLE).cut == ()
    assert not caplog.records
    for _ in range(2):
        slice_and_mask(records[0])
        slice_and_mask(records[2])
    assert len(caplog.records) == 1


def test_a_dark_jpeg_is_refused_as_an_outline_since_it_may_be_noise(tmp_path):
    dark = as_picture(LABELS * 3 + (np.indices((128, 128)).sum(0) % 3).astype(np.uint8), "JPEG")
    with pytest.raises(ReadError) as caught:
        slice_and_mask(with_mask(tmp_path, dark))
    assert caught.value.code == "outline_unclear"
    assert caught.value.path == str(tmp_path / "mask")


def test_a_smoothed_volume_is_cut_by_its_own_maximum_and_not_by_each_slice(tmp_path):
    masks = np.zeros((40, 32, 4), np.float32)
    masks[10:30, 8:24, 1], masks[10:30, 8:24, 2], masks[10:30, 8:24, 3] = 1, 0.7, 0.2
    masks[9, 8:24, 1] = np.linspace(0.05, 0.4, 16)
    (tmp_path / "mask.nii.gz").write_bytes(nifti_bytes(masks))
    (tmp_path / "brain.nii.gz").write_bytes(nifti_bytes(np.ones((40, 32, 4), np.int16)))
    outline = str(tmp_path / "mask.nii.gz")
    found = [
        slice_and_mask(Record(tmp_path / "brain.nii.gz", "glioma", outline=outline, frame=frame))[1].sum()
        for frame in range(4)
    ]
    assert found == [0, 320, 320, 0]


def test_labels_of_a_volume_are_seen_by_all_of_it(tmp_path):
    masks = np.zeros((40, 32, 3), np.uint8)
    masks[5:20, 4:20, 0], masks[5:20, 4:20, 1], masks[5:9, 4:20, 1] = 1, 2, 4
    (tmp_path / "mask.nii.gz").write_bytes(nifti_bytes(masks))
    (tmp_path / "brain.nii.gz").write_bytes(nifti_bytes(np.ones((40, 32, 3), np.int16)))
    outline = str(tmp_path / "mask.nii.gz")
    records = [Record(tmp_path / "brain.nii.gz", "glioma", outline=outline, frame=frame) for frame in range(3)]
    assert [slice_and_mask(record)[1].sum() for record in records] == [240, 240, 0]
    assert prepared_outlines(records, WHOLE).empty == (2,)


def test_outlines_that_cannot_be_used_are_skipped_and_told_where_that_is_wished(outlined, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    small = with_mask(other, as_picture(np.ones((64, 64), np.uint8)))
    damaged = replace(outlined, outline=str(tmp_path / "none.png"))
    found = prepared_outlines([small, outlined, damaged], WHOLE, skip=True)
    assert found.known.tolist() == [False, True, False]
    assert {row: error.code for row, error in found.failed.items()} == {0: "outline_size_differs", 2: "cannot_open"}
    assert found.coverage[1].any()
    assert not found.coverage[[0, 2]].any()
