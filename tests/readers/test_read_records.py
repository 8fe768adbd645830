"""Tests of reading many records: every file is opened once, and an error names its file once."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from gadolin.errors import DamagedFileError, ReadError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes
from gadolin.readers import open_file, read
from gadolin.readers.read_records import each_slice
from gadolin.records import Record

VOLUME = np.arange(20 * 20 * 5, dtype=np.int16).reshape(20, 20, 5)


@pytest.fixture
def volume(tmp_path):
    path = tmp_path / "brain.nii.gz"
    path.write_bytes(nifti_bytes(VOLUME))
    return [Record(path, "glioma", frame=frame) for frame in range(5)]


@pytest.fixture
def pictures(tmp_path):
    found = []
    for number in range(3):
        path = tmp_path / f"{number}.dcm"
        path.write_bytes(dicom_bytes(np.full((20, 20), number, np.uint8)))
        found.append(Record(path, "glioma"))
    return found


def test_every_record_is_worked_on_with_its_own_slice(volume, pictures):
    records = [volume[3], pictures[1], volume[0], pictures[2], volume[3]]
    done = dict(each_slice(records, lambda index, image, kind: (index, image.pixels.copy())))
    assert sorted(done) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(done[0], done[4])
    np.testing.assert_array_equal(done[2], VOLUME[::-1, ::-1, 0].T)
    assert [float(done[index].max()) for index in (1, 3)] == [1, 2]


def test_a_file_of_many_slices_is_opened_once(volume, files_opened):
    list(each_slice(volume[::-1], lambda index, image, kind: index))
    assert files_opened == [volume[0].path]


def test_no_records_are_no_work():
    assert list(each_slice([], lambda index, image, kind: index)) == []


@pytest.mark.parametrize("frame", [5, None])
def test_an_error_names_its_file_once(volume, frame):
    records = [volume[0], Record(volume[0].path, "glioma", frame=frame)]
    with pytest.raises(ReadError) as caught:
        list(each_slice(records, lambda index, image, kind: index))
    assert str(caught.value).count(str(volume[0].path)) == 1


def test_what_the_work_finds_wrong_with_another_file_is_told_as_it_is(volume):
    wrong = DamagedFileError(code="damaged_file", rule="it is damaged", path="mask.png")

    def work(index, image, kind):
        raise wrong

    with pytest.raises(DamagedFileError) as caught:
        list(each_slice(volume, work))
    assert caught.value is wrong
    assert str(caught.value) == "mask.png: it is damaged"


def test_a_damaged_frame_is_found_among_good_ones(tmp_path, volume, pictures):
    pixels = VOLUME.astype(np.float64)
    pixels[3, 3, 2] = 1e39  # beyond float32
    path = tmp_path / "nan.nii"
    path.write_bytes(nifti_bytes(pixels, compress=False))
    localiser = tmp_path / "localiser.dcm"
    facts = DicomFacts(more={"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]})
    localiser.write_bytes(dicom_bytes(np.zeros((20, 20), np.uint8), facts))
    bad = [Record(path, "glioma", frame=frame) for frame in range(3)]
    records = [*volume, *bad, Record(Path("gone.png"), "glioma"), Record(localiser, "glioma"), pictures[0]]
    errors = {}
    read = list(each_slice(records, lambda index, image, kind: (index, kind), errors))
    assert sorted(read) == [*((row, "NIfTI") for row in range(7)), (10, "DICOM")]
    assert {row: error.code for row, error in errors.items()} == {
        7: "pixels_not_finite",
        8: "cannot_open",
        9: "localiser",
    }


def test_a_pipe_is_refused_by_every_reader_and_not_waited_for(tmp_path):
    pipe = tmp_path / "slice.png"
    os.mkfifo(pipe)
    for reading in (
        read,
        open_file,
        lambda path: list(each_slice([Record(path, "glioma")], lambda _row, image, _kind: image)),
    ):
        with pytest.raises(ReadError) as refused:
            reading(pipe)
        assert (refused.value.code, refused.value.path) == ("special_file", str(pipe))
