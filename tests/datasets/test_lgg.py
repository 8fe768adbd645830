"""Tests of TCGA-LGG as TIFF files: three sequences as channels, a mask for each slice."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from PIL import Image

from gadolin.datasets import scan
from gadolin.errors import DataError, ReadError
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.outlines import slice_and_mask
from gadolin.preprocessing.prepare import Preparation
from gadolin.readers import read

PATIENT, FOLDER = "TCGA_CS_4941", "TCGA_CS_4941_19960909"
MARKED = (4, 5)


@pytest.fixture
def tiffs(tmp_path):
    """Write a patient of eight slices, two with a tumour; slice 1 has no T1, slice 8 no mask."""
    folder = tmp_path / "lgg" / FOLDER
    folder.mkdir(parents=True)
    rows, columns = np.mgrid[:64, :64]
    head = np.hypot(rows - 32, columns - 32) < 26
    for number in range(1, 9):
        channels = np.stack([head * tone for tone in (60 + number, 120 + number, 180 + number)], axis=2)
        if number == 1:
            channels[..., 0] = channels[..., 1]
        mask = (np.hypot(rows - 30, columns - 25) < 6) & (number in MARKED)
        Image.fromarray(channels.astype(np.uint8)).save(folder / f"{FOLDER}_{number}.tif")
        if number != 8:
            Image.fromarray((255 * mask).astype(np.uint8)).save(folder / f"{FOLDER}_{number}_mask.tif")
    return tmp_path / "lgg"


def test_each_sequence_of_each_slice_is_a_record(tiffs):
    found = scan(tiffs)

    told = {(one.path.stem.rsplit("_", 1)[1], one.sequence, one.label) for one in found.records}
    assert {one for one in told if one[0] == "4"} == {("4", name, "glioma") for name in ("T1", "FLAIR", "T1c")}
    assert {one for one in told if one[0] == "2"} == {("2", name, "notumor") for name in ("T1", "FLAIR", "T1c")}
    assert {(one.patient, one.institution, one.source) for one in found.records} == {(PATIENT, "CS", "lgg")}


def test_a_channel_that_repeats_flair_is_a_missing_sequence(tiffs):
    first = [one for one in scan(tiffs).records if one.path.name.endswith("_1.tif")]
    assert [(one.frame, one.sequence) for one in first] == [(1, "FLAIR"), (2, "T1c")]


def test_slices_next_to_a_tumour_are_left_out_and_those_without_a_mask_are_errors(tiffs):
    found = scan(tiffs)

    assert {(one.path.rsplit("_", 1)[1], one.code) for one in found.left_out} == {
        ("3.tif", "near_a_lesion"),
        ("6.tif", "near_a_lesion"),
    }
    assert [(one.path.rsplit("_", 1)[1], one.code) for one in found.errors] == [("8.tif", "cannot_open")]


def test_a_record_is_read_as_its_channel_with_its_mask(tiffs):
    records = [one for one in scan(tiffs).records if one.path.name.endswith("_5.tif")]

    assert [read(one.path, one.frame).pixels.max() for one in records] == [65, 125, 185]
    image, mask = slice_and_mask(records[0])
    assert not image.colour
    assert mask.sum() > 50
    prepared = prepared_slices(records, Preparation(size=64))
    assert not prepared.coloured
    assert len({one.tobytes() for one in prepared.slices}) == 3


def test_a_slice_of_another_name_belongs_to_the_patient_of_its_folder(tiffs):
    for end in ("", "_mask"):
        shutil.copy(tiffs / FOLDER / f"{FOLDER}_2{end}.tif", tiffs / FOLDER / f"copy_20{end}.tif")
    found = [one for one in scan(tiffs).records if one.path.name == "copy_20.tif"]
    assert {one.patient for one in found} == {PATIENT}
    assert len(found) == 3


def test_a_picture_in_colours_has_three_channels_and_no_more(tiffs):
    path = next(tiffs.rglob("*_5.tif"))
    assert read(path).colour
    with pytest.raises(ReadError) as refused:
        read(path, 3)
    assert refused.value.code == "frame_out_of_range"


def test_a_folder_without_slices_that_can_be_read_is_refused(tiffs):
    for path in tiffs.rglob("*_mask.tif"):
        path.write_bytes(b"no mask")
    with pytest.raises(DataError) as refused:
        scan(tiffs)
    assert refused.value.code == "no_readable_slice"


def test_patients_are_named_by_their_folders(tiffs):
    shutil.copytree(tiffs / FOLDER, tiffs / "other")
    with pytest.raises(DataError) as refused:
        scan(tiffs, patient_from="parent")
    assert refused.value.code == "patient_rule_not_needed"
