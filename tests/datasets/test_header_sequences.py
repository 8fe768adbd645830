"""Tests of sequences in a manifest: they must agree with the file headers."""

from __future__ import annotations

import numpy as np
import pytest

from gadolin.datasets import scan
from gadolin.errors import DataError
from gadolin.phantoms.encode import DicomFacts, dicom_bytes

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
FLAIR = {"EchoTime": 120, "RepetitionTime": 9000, "InversionTime": 2500, "ScanningSequence": "SE"}


@pytest.fixture
def manifest(tmp_path):
    """Write a DICOM file with the given header elements, and a manifest that gives its sequence."""

    def write(more, sequence):
        (tmp_path / "one.dcm").write_bytes(dicom_bytes(PIXELS, DicomFacts(more=more)))
        path = tmp_path / "manifest.csv"
        path.write_text(f"path,label,sequence\none.dcm,glioma,{sequence}\n")
        return path

    return write


@pytest.mark.parametrize(("more", "sequence"), [(FLAIR, "FLAIR"), (FLAIR, ""), ({}, "T2")])
def test_a_sequence_that_the_header_tells_or_does_not_tell_is_taken(manifest, more, sequence):
    assert [one.sequence for one in scan(manifest(more, sequence)).records] == [sequence]


def test_a_sequence_that_the_header_contradicts_is_refused(manifest):
    with pytest.raises(DataError) as refused:
        scan(manifest(FLAIR, "T1c"))

    assert refused.value.code == "sequence_contradicts_header"
    assert "header FLAIR" in str(refused.value)


def test_class_folders_have_the_sequence_of_their_headers(tmp_path):
    for label in ("glioma", "notumor"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "one.dcm").write_bytes(dicom_bytes(PIXELS, DicomFacts(more=FLAIR)))
    assert {one.sequence for one in scan(tmp_path).records} == {"FLAIR"}
