"""Tests of the encoders: independent readers find the given values in the files."""

from __future__ import annotations

import gzip
import io
import sys

import numpy as np
import pydicom
import pytest
from nibabel.nifti1 import Nifti1Image
from pydicom import uid

from gadolin.errors import MissingExtraError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, mat_bytes, nifti_bytes

GREY = (np.arange(32 * 40) % 251).astype(np.uint8).reshape(32, 40)
DEEP = GREY.astype(np.uint16) * 16
PLAIN = (
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.ExplicitVRBigEndian,
    uid.DeflatedExplicitVRLittleEndian,
    uid.RLELossless,
)


def parsed(content):
    return pydicom.dcmread(io.BytesIO(content))


@pytest.mark.parametrize("syntax", PLAIN)
@pytest.mark.parametrize("pixels", [GREY, DEEP, DEEP.astype(np.int16) - np.int16(900)], ids=["8", "16", "signed"])
def test_pydicom_finds_the_pixels(syntax, pixels):
    dataset = parsed(dicom_bytes(pixels, DicomFacts(syntax)))
    assert dataset.file_meta.TransferSyntaxUID == syntax
    np.testing.assert_array_equal(dataset.pixel_array, pixels)


def test_pydicom_finds_what_was_said_of_a_slice():
    facts = DicomFacts(rescale=(2.0, -3.0), position=(1, 2, 3), spacing_mm=(0.7, 0.6, 5), more={"EchoTime": 90})
    dataset = parsed(dicom_bytes(DEEP, facts))
    assert (dataset.Modality, dataset.SOPClassUID.name, dataset.EchoTime) == ("MR", "MR Image Storage", 90)
    assert (list(dataset.PixelSpacing), dataset.SliceThickness) == ([0.7, 0.6], 5)
    assert (list(dataset.ImagePositionPatient), dataset.RescaleSlope, dataset.RescaleIntercept) == ([1, 2, 3], 2, -3)


def test_pydicom_finds_the_frames_of_an_enhanced_file_and_where_they_lie():
    volume = np.stack([DEEP, DEEP + 1, DEEP + 2])
    dataset = parsed(dicom_bytes(volume, DicomFacts(spacing_mm=(1, 1, 4), position=(0, 0, 10))))
    assert dataset.SOPClassUID.name == "Enhanced MR Image Storage"
    np.testing.assert_array_equal(dataset.pixel_array, volume)
    groups = dataset.PerFrameFunctionalGroupsSequence
    assert [group.PlanePositionSequence[0].ImagePositionPatient[2] for group in groups] == [10, 14, 18]


def test_the_same_slice_gives_the_same_bytes():
    assert dicom_bytes(GREY) == dicom_bytes(GREY)
    assert nifti_bytes(DEEP[..., np.newaxis]) == nifti_bytes(DEEP[..., np.newaxis])


def test_two_slices_have_two_names():
    assert parsed(dicom_bytes(GREY)).SOPInstanceUID != parsed(dicom_bytes(GREY[::-1])).SOPInstanceUID


@pytest.mark.parametrize("compress", [True, False])
def test_nibabel_finds_the_volume(compress):
    volume = np.arange(5 * 6 * 7, dtype=np.int16).reshape(5, 6, 7)
    affine = np.diag([-1.0, 2, 3, 1])
    content = nifti_bytes(volume, affine=affine, rescale=(0.5, 1.0), compress=compress)
    assert content.startswith(b"\x1f\x8b") == compress
    image = Nifti1Image.from_bytes(gzip.decompress(content) if compress else content)
    np.testing.assert_array_equal(image.get_fdata(), volume * 0.5 + 1)
    np.testing.assert_array_equal(image.affine, affine)


def test_h5py_finds_figshares_fields_transposed():
    h5py = pytest.importorskip("h5py")
    with h5py.File(io.BytesIO(mat_bytes(DEEP, GREY > 9, label=3, patient="MR01")), "r") as file:
        group = file["cjdata"]
        assert sorted(group) == ["PID", "image", "label", "tumorBorder", "tumorMask"]
        np.testing.assert_array_equal(group["image"][()], DEEP.T)
        np.testing.assert_array_equal(group["tumorMask"][()], (GREY > 9).T)
        assert (group["label"][0, 0], "".join(map(chr, group["PID"][:, 0]))) == (3, "MR01")


def test_scipy_finds_figshares_fields():
    loadmat = pytest.importorskip("scipy.io").loadmat
    content = mat_bytes(DEEP, GREY > 9, label=3, patient="MR01", version="5")
    data = loadmat(io.BytesIO(content), struct_as_record=True)["cjdata"][0, 0]
    np.testing.assert_array_equal(data["image"], DEEP)
    assert (data["label"].item(), data["PID"].item()) == (3, "MR01")


@pytest.mark.parametrize(("version", "package"), [("7.3", "h5py"), ("5", "scipy")])
def test_without_its_package_a_mat_file_is_not_written_and_the_install_command_is_told(version, package, monkeypatch):
    for name in [name for name in sys.modules if name.split(".")[0] == package] or [package]:
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as caught:
        mat_bytes(DEEP, GREY > 9, label=1, patient="1", version=version)
    assert caught.value.code == "missing_package"
    assert f"'{package}'" in caught.value.rule
    assert "pip install" in caught.value.remedy
