"""Tests of the MRI sequence from a DICOM header: from times, echo and contrast agent, not from text alone."""

from __future__ import annotations

import io

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset

from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.readers import open_bytes
from gadolin.readers.dicom.mri_sequence import sequence_of

PIXELS = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def header(echo=None, repetition=None, inversion=None, **more):
    dataset = Dataset()
    for name, value in (("EchoTime", echo), ("RepetitionTime", repetition), ("InversionTime", inversion)):
        if value is not None:
            setattr(dataset, name, value)
    for name, value in more.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize(
    ("dataset", "sequence"),
    [
        (header(12, 550, ScanningSequence="SE"), "T1"),
        (header(12, 550, ScanningSequence="SE", ContrastBolusAgent="Gadovist"), "T1c"),
        (header(12, 550, ScanningSequence="SE", ContrastBolusAgent="NONE"), "T1"),
        (header(12, 550, ScanningSequence="SE", SeriesDescription="AX T1 POST GAD"), "T1c"),
        (header(12, 550, ScanningSequence="SE", SeriesDescription="t1 ohne KM, pre contrast"), "T1"),
        (header(2.9, 2300, 900, ScanningSequence=["GR", "IR"], SequenceVariant="MP"), "T1"),
        (header(2.9, 8.2, 450, ScanningSequence=["GR", "IR"], ContrastBolusAgent="Dotarem"), "T1c"),
        (header(4, 7, ScanningSequence="GR"), "T1"),
        (header(8.2, 2000, 860, ScanningSequence=["SE", "IR"]), "T1"),
        (header(100, 4200, ScanningSequence="SE"), "T2"),
        (header(100, 4200, ScanningSequence="SE", ContrastBolusAgent="Gadovist"), "T2"),
        (header(120, 9000, 2500, ScanningSequence=["SE", "IR"]), "FLAIR"),
        (header(390, 5000, 1800, ScanningSequence=["SE", "IR"]), "FLAIR"),
        (header(14, 3000, ScanningSequence="SE"), "PD"),
        (header(60, 4000, 150, ScanningSequence=["SE", "IR"]), ""),  # STIR
        (header(25, 600, ScanningSequence="GR"), ""),  # T2*
        (header(90, 5000, ScanningSequence=["SE", "EP"]), ""),
        (header(90, 5000, ScanningSequence="SE", DiffusionBValue=1000.0), ""),
        (header(90, 5000, ScanningSequence="SE", SeriesDescription="ep2d_diff"), ""),
        (header(4, 25, ScanningSequence="GR", SeriesDescription="TOF 3D"), ""),
        (header(SeriesDescription="AX T1 POST GAD"), ""),  # text alone
        (header(100, ScanningSequence="SE"), ""),
        (header(45, 2500, ScanningSequence="SE"), ""),
        (header(12, 1500, ScanningSequence="SE"), ""),
        (header(0, 500, ScanningSequence="SE"), ""),
        (header(), ""),
    ],
)
def test_a_sequence_is_told_by_how_it_was_scanned(dataset, sequence):
    assert sequence_of(dataset, [dataset]) == sequence


def test_a_frame_of_an_enhanced_object_is_told_by_its_own_groups():
    shared = header(ContrastBolusAgentSequence=[Dataset()], EchoPulseSequence="SPIN")
    assert sequence_of(shared, [header(EffectiveEchoTime=100.0), header(repetition=5000), shared]) == "T2"
    assert sequence_of(shared, [header(EffectiveEchoTime=12.0), header(repetition=600), shared]) == "T1c"


def test_the_sequence_goes_with_the_slice():
    facts = DicomFacts(more={"EchoTime": 100, "RepetitionTime": 4000, "ScanningSequence": "SE"})
    contents = open_bytes(dicom_bytes(PIXELS, facts))

    assert contents.sequence(0) == contents.decode(0).sequence == "T2"


def test_a_header_without_times_tells_none():
    content = dicom_bytes(PIXELS)
    dataset = dcmread(io.BytesIO(content))
    assert "EchoTime" not in dataset
    assert open_bytes(content).decode(0).sequence == ""
