"""Outlines lie on the grid of the prepared slice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from gadolin.errors import DataError, ReadError
from gadolin.outlines import OUTLINE_SIZE, prepared_outlines
from gadolin.phantom import draw_patient
from gadolin.phantom.encode import mat_bytes, nifti_bytes
from gadolin.prepare import Preparation, find_frame, prepare
from gadolin.readers import read
from gadolin.records import NO_LESION, Record, Slice

WHOLE = Preparation(crop=False)


@pytest.fixture
def outlined(tmp_path):
    """A picture of 128 x 128 pixels, and an outline of its upper left quarter."""
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
    assert (found.coverage[0] > 0).mean() > 0.9, "the head fills the cropped picture, and the outline with it"


def test_slices_without_an_outline_are_told_apart(outlined):
    calls = []
    found = prepared_outlines(
        [replace(outlined, outline=""), outlined], WHOLE, progress=lambda done, total: calls.append((done, total))
    )

    assert found is not None
    assert found.known.tolist() == [False, True]
    assert not found.coverage[0].any()
    assert calls == [(1, 1)], "only slices with an outline are work"


def test_where_no_record_names_an_outline_there_are_none(outlined):
    assert prepared_outlines([replace(outlined, outline="")], WHOLE) is None


def test_an_outline_of_another_size_is_refused(outlined, tmp_path):
    Image.fromarray(np.ones((64, 64), np.uint8)).save(tmp_path / "mask.png")

    with pytest.raises(DataError, match=r"mask\.png: an outline must have the size of its slice.*same grid"):
        prepared_outlines([outlined], WHOLE)


PHANTOM = draw_patient("meningioma", 3, seed=1, slices=1, size=96)[0]


def expected(image, mask, preparation):
    """Return the coverage of a mask, prepared by hand with the frame of its slice."""
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
    """Three slices in a volume and their masks in another; the slices differ, and so do the masks."""
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
    with pytest.raises(ReadError, match="must lie in 0 to 1") as caught:
        prepared_outlines(records, WHOLE)
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
