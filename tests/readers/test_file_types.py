"""Tests of file types: recognised by the first bytes, not by name."""

from __future__ import annotations

import io

import numpy as np
import pytest
from nibabel.nifti2 import Nifti2Image
from PIL import Image
from pydicom import uid

from gadolin.phantoms.encode import DicomFacts, dicom_bytes, mat_bytes, nifti_bytes
from gadolin.readers import open_file
from gadolin.readers.file_types import HEAD, file_kind, is_other

GREY = np.arange(32 * 32, dtype=np.uint8).reshape(32, 32)
VOLUME = np.zeros((32, 32, 3), np.int16)
MASK = GREY > 100


def picture(kind):
    file = io.BytesIO()
    Image.fromarray(GREY).save(file, kind)
    return file.getvalue()


FILES = {kind: (picture(kind), kind) for kind in ("PNG", "JPEG", "BMP", "TIFF", "WEBP")}
FILES |= {
    "DICOM": (dicom_bytes(GREY), "DICOM"),
    "deflated DICOM": (dicom_bytes(GREY, DicomFacts(uid.DeflatedExplicitVRLittleEndian)), "DICOM"),
    "DICOM behind a TIFF": (b"II*\x00" + dicom_bytes(GREY)[4:], "DICOM"),
    "NIfTI": (nifti_bytes(VOLUME, compress=False), "NIfTI"),
    "gzipped NIfTI": (nifti_bytes(VOLUME), "NIfTI"),
    "NIfTI-2": (Nifti2Image(VOLUME, np.eye(4)).to_bytes(), "NIfTI"),
    "MATLAB 7.3": (mat_bytes(GREY, MASK, label=1, patient="7"), "MATLAB"),
    "MATLAB 5": (mat_bytes(GREY, MASK, label=1, patient="7", version="5"), "MATLAB"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_known_by_its_first_bytes(name):
    content, kind = FILES[name]
    assert file_kind(content[:HEAD]) == kind


@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_whatever_it_is_called(name, tmp_path):
    path = tmp_path / "slice.txt"
    path.write_bytes(FILES[name][0])
    assert open_file(path).decode(0).pixels.shape == (32, 32)


TEXTS = [
    b"BMI of the patients\n",
    b"BM25 ranks documents by the words that they share with a query.\n" * 9,
    b"MATLAB 5.0 MAT-file is how the data come\n" * 99,
    b"MATLAB 7.3 MAT-file\n",
    b"RIFF and WEBP are containers\n",
    b"RIFFlog WEBP",
    b"MM\nII*\n",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_that_begins_like_a_picture_is_of_no_kind(text):
    assert file_kind(text[:HEAD]) is None


def test_a_tiff_of_more_than_four_gigabytes_is_a_tiff():
    assert file_kind(b"II+\0\x08\0\0\0" + bytes(8)) == file_kind(b"MM\0+\0\x08\0\0" + bytes(8)) == "TIFF"


@pytest.mark.parametrize(
    "head", [b"", b"\x1f\x8b", b"hello", bytes(4096), b"DICM", b"\x1f\x8b" + bytes(4000), b"MATLAB 4.2", b"GIF89a"]
)
def test_what_announces_nothing_is_of_no_kind(head):
    assert file_kind(head) is None


@pytest.mark.parametrize("name", ["notes.txt", "table.csv", ".gitkeep.lock"])
def test_an_empty_file_of_another_name_is_none_of_ours(name):
    assert is_other(name, b"")


@pytest.mark.parametrize("name", ["a.png", "IM0001", "1.2.840.10008.7", "scan.DCM", "brain.nii.gz"])
def test_an_empty_file_called_like_a_slice_is_to_be_told(name):
    assert not is_other(name, b"")


def test_a_compressed_table_is_none_of_ours():
    assert is_other("labels.csv.gz", b"\x1f\x8b" + bytes(100))
