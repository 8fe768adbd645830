"""Valid files whose stored values need conversion to pixels: seeds of damaged files."""

from __future__ import annotations

import struct

import numpy as np
from pydicom.dataset import Dataset

from gadolin.phantoms.encode import DicomFacts, dicom_bytes, nifti_bytes

__all__ = ["odd_dicom_files", "odd_volumes"]


def _frame_group(position: float, echo: float) -> Dataset:
    group = Dataset()
    for name, element, value in (
        ("PlanePositionSequence", "ImagePositionPatient", [0.0, 0.0, position]),
        ("MREchoSequence", "EffectiveEchoTime", echo),
        ("FrameContentSequence", "StackID", "1"),
        ("MRImageFrameTypeSequence", "ComplexImageComponent", "MAGNITUDE"),
    ):
        inner = Dataset()
        setattr(inner, element, value)
        setattr(group, name, [inner])
    return group


def odd_dicom_files(deep: np.ndarray, grey: np.ndarray, colour: np.ndarray) -> dict[str, bytes]:
    """Return files whose header transforms the stored values."""
    table = Dataset()
    table.LUTDescriptor, table.LUTData, table.ModalityLUTType = [256, 0, 16], list(range(256)), "US"
    table["LUTDescriptor"].VR = table["LUTData"].VR = "US"
    echoes = [_frame_group(position, echo) for position in (0.0, 6.0) for echo in (10.0, 80.0)]
    stored = {"BitsAllocated": 16, "BitsStored": 12}
    return {
        "high bit": dicom_bytes(deep << 4, DicomFacts(more=stored | {"HighBit": 15})),
        "overlay bit": dicom_bytes(deep | 1 << 12, DicomFacts(bits_stored=12)),
        "signed in 12 bits": dicom_bytes(deep.view("i2"), DicomFacts(bits_stored=12)),
        "padding": dicom_bytes(
            deep, DicomFacts(bits_stored=12, more={"PixelPaddingValue": 4095, "PixelPaddingRangeLimit": 4000})
        ),
        "modality table": dicom_bytes(grey, DicomFacts(more={"ModalityLUTSequence": [table]})),
        "echoes": dicom_bytes(np.stack([deep] * 4), DicomFacts(more={"PerFrameFunctionalGroupsSequence": echoes})),
        "planes of colour": dicom_bytes(colour, DicomFacts(photometric="RGB", more={"PlanarConfiguration": 1})),
        "deep colour": dicom_bytes(np.stack([deep] * 3, -1), DicomFacts(photometric="RGB")),
        "odd numbers": dicom_bytes(deep, DicomFacts(more={"WindowCenter": 1, "SeriesDescription": "0,5"})),
    }


def odd_volumes() -> dict[str, bytes]:
    """Return volumes whose background is not black, and one with an invalid sform."""
    random = np.random.default_rng(1)
    inside = random.standard_normal((18, 18, 16)).astype(np.float32)
    holes, bright = np.full((24, 24, 16), np.nan, np.float32), np.zeros((24, 24, 16), np.float32)
    holes[3:-3, 3:-3] = bright[3:-3, 3:-3] = inside
    no_sform = bytearray(nifti_bytes(random.integers(0, 999, (16, 16, 16), np.int16), compress=False))
    struct.pack_into("<2h", no_sform, 252, 1, 1)
    no_sform[280:328] = bytes(48)
    labels = np.zeros((16, 16, 16), np.int16)
    labels[4:9] = np.arange(5)[:, None, None] * 7 + np.arange(16)[:, None]
    files = {"holes": holes, "bright": bright, "regions": labels}
    return {name: nifti_bytes(volume, compress=False) for name, volume in files.items()} | {"qform": bytes(no_sform)}
