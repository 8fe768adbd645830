"""Encode synthetic slices as DICOM, NIfTI and MATLAB files."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import imagecodecs
import numpy as np
from nibabel.nifti1 import Nifti1Image
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filewriter import dcmwrite
from pydicom.pixels.encoders.base import RLELosslessEncoder

from gadolin.errors import MissingExtraError, RequestError
from gadolin.phantoms.patient import Phantom

__all__ = ["DicomFacts", "dicom_bytes", "dicom_series", "mat_bytes", "nifti_bytes"]

_STUDY = "1.2.826.0.1.3680043.8.498.9"
_FIELD_MM = 220.0
_THICKNESS_MM = 5.0
Axes = tuple[float, float, float, float, float, float]
_AXES: dict[str, Axes] = {
    "axial": (1.0, 0.0, 0.0, 0.0, 1.0, 0.0),
    "coronal": (1.0, 0.0, 0.0, 0.0, 0.0, -1.0),
    "sagittal": (0.0, 1.0, 0.0, 0.0, 0.0, -1.0),
}
"""Directions of rows and columns by plane, in the patient's coordinates (left, posterior, superior)."""


@dataclass(frozen=True, slots=True)
class DicomFacts:
    """The header of a DICOM file.

    ``bits_stored`` None means the depth of the pixel type. ``position`` is that of the first frame, ``axes`` the
    directions of its rows and columns (PS3.3, C.7.6.2), ``spacing_mm`` the distance between rows, columns and frames.
    ``more`` holds further elements by keyword.
    """

    syntax: str = uid.ExplicitVRLittleEndian
    bits_stored: int | None = None
    photometric: str = "MONOCHROME2"
    rescale: tuple[float, float] | None = None
    position: tuple[float, float, float] = (0.0, 0.0, 0.0)
    axes: Axes = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)
    spacing_mm: tuple[float, float, float] = (0.5, 0.5, 6.0)
    series: str = "1.2.826.0.1.3680043.8.498.1"
    patient_id: str = "PHANTOM"
    more: dict[str, Any] = field(default_factory=dict)


def dicom_bytes(pixels: NDArray[Any], facts: DicomFacts | None = None) -> bytes:
    """Return a DICOM file of ``pixels`` (H, W), (H, W, 3) or, as enhanced MR, (F, H, W); unsigned or signed integers.

    Supports every transfer syntax of the reader: plain, big-endian, deflated, RLE, JPEG baseline (8 bits) and
    lossless, JPEG-LS, JPEG 2000. Raises RequestError for signed pixels in lossy JPEG.
    """
    facts = facts or DicomFacts()
    frames = pixels if pixels.ndim == 3 and pixels.shape[2] != 3 else pixels[np.newaxis]
    enhanced = len(frames) > 1
    dataset = _header(frames, facts, uid.EnhancedMRImageStorage if enhanced else uid.MRImageStorage)
    if enhanced:
        _describe_frames(dataset, len(frames), facts)
    else:
        _describe(dataset, facts)
    for keyword, value in facts.more.items():
        setattr(dataset, keyword, value)
    syntax = uid.UID(facts.syntax)
    if syntax.is_compressed and syntax != uid.DeflatedExplicitVRLittleEndian:
        dataset.PixelData = encapsulate([_compressed(frame, syntax, dataset) for frame in frames])
    else:
        big = syntax == uid.ExplicitVRBigEndian
        dataset.PixelData = frames.astype(frames.dtype.newbyteorder(">" if big else "<")).tobytes()
    dataset["PixelData"].VR = "OB" if syntax.is_encapsulated or frames.dtype.itemsize == 1 else "OW"
    file = io.BytesIO()
    dcmwrite(file, dataset, enforce_file_format=True)
    return file.getvalue()


def dicom_series(stack: Sequence[Phantom], facts: DicomFacts) -> list[bytes]:
    """Return the DICOM files of the slices of one patient, in order.

    They have the geometry of the plane that was drawn, in a field of view of 220 mm; the rest is from ``facts``.
    """
    axes, pixel = _AXES[stack[0].plane], _FIELD_MM / len(stack[0].pixels)
    normal = np.cross(axes[:3], axes[3:])
    files = []
    for number, one in enumerate(stack, 1):
        x, y, z = (float(value) for value in one.position * normal)
        placed = replace(
            facts,
            position=(x, y, z),
            axes=axes,
            spacing_mm=(pixel, pixel, _THICKNESS_MM),
            more={**facts.more, "InstanceNumber": number},
        )
        files.append(dicom_bytes(one.pixels, placed))
    return files


def nifti_bytes(
    volume: NDArray[Any],
    *,
    affine: NDArray[np.float64] | None = None,
    rescale: tuple[float, float] | None = None,
    compress: bool = True,
) -> bytes:
    """Return a NIfTI-1 file of ``volume`` (X, Y, Z) or (X, Y, Z, T); without ``affine`` it is RAS+ in millimetres."""
    image = Nifti1Image(volume, np.eye(4) if affine is None else affine)
    if rescale is not None:
        image.header.set_slope_inter(*rescale)
    content: bytes = image.to_bytes()
    return gzip.compress(content, 6, mtime=0) if compress else content


def mat_bytes(
    pixels: NDArray[Any], mask: NDArray[np.bool_], *, label: int, patient: str, version: str = "7.3"
) -> bytes:
    """Return a file in Figshare's format: ``pixels`` (H, W) and ``mask`` (H, W), ``label`` 1 to 3, patient id.

    ``version`` is 7.3 (HDF5, compressed) or 5. Raises MissingExtraError without h5py or scipy.
    """
    return _mat_hdf5(pixels, mask, label, patient) if version == "7.3" else _mat_v5(pixels, mask, label, patient)


def _header(frames: NDArray[Any], facts: DicomFacts, kind: str) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = uid.UID(facts.syntax)
    dataset.SOPClassUID = kind
    dataset.SOPInstanceUID = uid.generate_uid(entropy_srcs=[frames.tobytes()[:4096].hex(), str(facts.position)])
    dataset.Modality = "MR"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "M", "SE"]
    dataset.StudyInstanceUID, dataset.StudyID = _STUDY, "1"
    dataset.SeriesInstanceUID, dataset.SeriesNumber = facts.series, 1
    dataset.FrameOfReferenceUID = _STUDY + ".1"
    dataset.PatientID, dataset.PatientName = facts.patient_id, "Phantom^Made"
    dataset.Rows, dataset.Columns = frames.shape[1:3]
    dataset.SamplesPerPixel = 3 if frames.ndim == 4 else 1
    if frames.ndim == 4:
        dataset.PlanarConfiguration = 0
    dataset.PhotometricInterpretation = facts.photometric
    dataset.BitsAllocated = 8 * frames.dtype.itemsize
    dataset.BitsStored = facts.bits_stored or dataset.BitsAllocated
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(frames.dtype.kind == "i")
    return dataset


def _describe(dataset: Dataset, facts: DicomFacts) -> None:
    dataset.PixelSpacing = list(facts.spacing_mm[:2])
    dataset.SliceThickness = facts.spacing_mm[2]
    dataset.ImagePositionPatient = list(facts.position)
    dataset.ImageOrientationPatient = list(facts.axes)
    if facts.rescale is not None:
        dataset.RescaleSlope, dataset.RescaleIntercept = facts.rescale


def _decimals(values: NDArray[np.float64]) -> list[float]:
    """Return numbers that fit into the 16 characters of a decimal string."""
    return [float(one) for one in np.round(values, 6)]


def _describe_frames(dataset: Dataset, count: int, facts: DicomFacts) -> None:
    """Write the functional groups of an enhanced MR file (PS3.3, C.7.6.16)."""
    dataset.NumberOfFrames = count
    normal = np.cross(facts.axes[:3], facts.axes[3:])
    groups = []
    for frame in range(count):
        place, group = Dataset(), Dataset()
        place.ImagePositionPatient = _decimals(np.array(facts.position) + frame * facts.spacing_mm[2] * normal)
        group.PlanePositionSequence = [place]
        groups.append(group)
    shared, measures, plane = Dataset(), Dataset(), Dataset()
    measures.PixelSpacing = list(facts.spacing_mm[:2])
    measures.SliceThickness = facts.spacing_mm[2]
    plane.ImageOrientationPatient = list(facts.axes)
    shared.PixelMeasuresSequence, shared.PlaneOrientationSequence = [measures], [plane]
    if facts.rescale is not None:
        values = Dataset()
        values.RescaleSlope, values.RescaleIntercept = facts.rescale
        shared.PixelValueTransformationSequence = [values]
    dataset.PerFrameFunctionalGroupsSequence, dataset.SharedFunctionalGroupsSequence = groups, [shared]


def _compressed(frame: NDArray[Any], syntax: str, dataset: Dataset) -> bytes:
    if syntax == uid.RLELossless:
        return bytes(RLELosslessEncoder.encode(frame, **_rle_options(dataset)))
    deep = int(dataset.BitsStored)
    if frame.dtype.kind == "i" and syntax in (uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit):
        raise RequestError(
            code="transfer_syntax_unfit",
            rule="lossy JPEG requires unsigned pixels",
            got="these are signed",
            remedy="choose another syntax",
        )
    if frame.dtype.kind == "i" and syntax not in (uid.JPEG2000Lossless, uid.JPEG2000):
        frame = frame.view(f"u{frame.dtype.itemsize}")  # only the header declares the sign for these code streams
    encoders: dict[str, Callable[[], bytes | bytearray]] = {
        uid.JPEGBaseline8Bit: lambda: imagecodecs.jpeg_encode(frame, level=100),
        uid.JPEGExtended12Bit: lambda: imagecodecs.jpeg_encode(frame, level=100, bitspersample=12),
        uid.JPEGLossless: lambda: imagecodecs.jpeg_encode(frame, lossless=True, bitspersample=deep),
        uid.JPEGLosslessSV1: lambda: imagecodecs.jpeg_encode(frame, lossless=True, predictor=1, bitspersample=deep),
        uid.JPEGLSLossless: lambda: imagecodecs.jpegls_encode(frame),
        uid.JPEGLSNearLossless: lambda: imagecodecs.jpegls_encode(frame, level=2),
        uid.JPEG2000Lossless: lambda: imagecodecs.jpeg2k_encode(frame, reversible=True, codecformat="J2K"),
        uid.JPEG2000: lambda: imagecodecs.jpeg2k_encode(frame, level=(60, 90)[frame.itemsize - 1], codecformat="J2K"),
    }
    return bytes(encoders[syntax]())


def _rle_options(dataset: Dataset) -> dict[str, Any]:
    return {
        "rows": dataset.Rows,
        "columns": dataset.Columns,
        "samples_per_pixel": dataset.SamplesPerPixel,
        "bits_allocated": dataset.BitsAllocated,
        "bits_stored": dataset.BitsStored,
        "number_of_frames": 1,
        "pixel_representation": dataset.PixelRepresentation,
        "photometric_interpretation": dataset.PhotometricInterpretation,
        "planar_configuration": 0,
    }


def _mat_hdf5(pixels: NDArray[Any], mask: NDArray[np.bool_], label: int, patient: str) -> bytes:
    try:
        import h5py
    except ImportError as error:
        raise MissingExtraError(package="h5py", extra="dev") from error
    file = io.BytesIO()
    with h5py.File(file, "w", userblock_size=512) as written:
        group = written.create_group("cjdata")
        group.create_dataset("image", data=pixels.T, compression="gzip")
        group.create_dataset("label", data=np.array([[float(label)]]))
        group.create_dataset("PID", data=np.array([[ord(letter)] for letter in patient], np.uint16))
        group.create_dataset("tumorMask", data=mask.T.astype(np.uint8), compression="gzip")
        group.create_dataset("tumorBorder", data=np.zeros((1, 2)))
    head = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM"
    return head + file.getvalue()[128:]


def _mat_v5(pixels: NDArray[Any], mask: NDArray[np.bool_], label: int, patient: str) -> bytes:
    try:
        from scipy.io import savemat
    except ImportError as error:
        raise MissingExtraError(package="scipy", extra="dev") from error
    file = io.BytesIO()
    fields = {"image": pixels, "label": float(label), "PID": patient, "tumorMask": mask.astype(np.uint8)}
    savemat(file, {"cjdata": fields}, do_compression=True)
    return file.getvalue()
