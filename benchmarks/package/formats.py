"""Round trips: phantoms written in every supported format and read back.

    python -m benchmarks run formats [--write]

The result is shown in docs/formats.md.
"""

from __future__ import annotations

import argparse
import tempfile
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np
import pydicom
from nibabel.nifti1 import Nifti1Image
from nibabel.orientations import axcodes2ornt, ornt_transform
from numpy.typing import NDArray
from pydicom import uid

from benchmarks.publish import markdown, publish
from gadolin.errors import ReadError
from gadolin.phantoms import CLASSES, draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes, mat_bytes, nifti_bytes
from gadolin.preprocessing.head_crop import Box
from gadolin.preprocessing.prepare import Preparation, find_frame, prepare
from gadolin.readers import open_bytes
from gadolin.readers.dicom import reader as dicom
from gadolin.readers.series import in_order
from gadolin.records import Slice

SIZE, SLICES = 128, 8
SPACING = (0.75, 0.5, 6.0)  # rows, columns, slices; mm
SYNTAXES = {
    "implicit little-endian": uid.ImplicitVRLittleEndian,
    "explicit little-endian": uid.ExplicitVRLittleEndian,
    "explicit big-endian": uid.ExplicitVRBigEndian,
    "deflated": uid.DeflatedExplicitVRLittleEndian,
    "RLE": uid.RLELossless,
    "JPEG lossless, process 14": uid.JPEGLossless,
    "JPEG lossless, first order": uid.JPEGLosslessSV1,
    "JPEG-LS lossless": uid.JPEGLSLossless,
    "JPEG 2000 lossless": uid.JPEG2000Lossless,
    "JPEG baseline, quality 100": uid.JPEGBaseline8Bit,
    "JPEG extended, quality 100": uid.JPEGExtended12Bit,
    "JPEG-LS near-lossless, 2": uid.JPEGLSNearLossless,
    "JPEG 2000, 60 dB (8 bits) or 90 dB": uid.JPEG2000,
}
VIEWERS = {
    "percentiles 0.5 to 99.5": (0.5, 99.5),
    "percentiles 0.5 to 99.9": (0.5, 99.9),
    "minimum to maximum": (0.0, 100.0),
}
PREPARATION = Preparation()
Pixels = NDArray[Any]


class Trip(NamedTuple):
    """One round trip: format, stored type, written pixels (F, H, W) and the slices read."""

    name: str
    stored: str
    written: Pixels
    read: list[Slice]

    @property
    def worst(self) -> float:
        """The largest difference of any pixel, in stored values."""
        return max(float(np.abs(got.pixels - one).max()) for got, one in zip(self.read, self.written, strict=True))

    @property
    def ordered(self) -> bool:
        """Whether every slice is most similar to the one written at its position."""
        near = [int(np.argmin([np.abs(one - got.pixels).mean() for one in self.written])) for got in self.read]
        return near == list(range(len(self.written)))

    @property
    def spaced(self) -> bool:
        """Whether the pixel spacing is the written one."""
        expected = (0.49, 0.49) if self.name.startswith("MATLAB") else SPACING[:2]
        return all(got.spacing_mm is not None and np.allclose(got.spacing_mm, expected) for got in self.read)


def rows_of(trips: list[Trip]) -> list[list[str]]:
    """Return one table row for each format."""
    rows = []
    for name in dict.fromkeys(trip.name for trip in trips):
        same = [trip for trip in trips if trip.name == name]
        worst = f"{max(trip.worst for trip in same):g}"
        kept = [all(trip.ordered for trip in same), all(trip.spaced for trip in same)]
        rows.append([name, ", ".join(trip.stored for trip in same), worst, *("yes" if one else "no" for one in kept)])
    return rows


def depths() -> dict[str, tuple[Pixels, int]]:
    """Return the same slices (F, H, W), foot to head, in several depths, each with its stored bits."""
    eight = np.stack([each.pixels for each in draw_patient("glioma", 3, seed=1, slices=SLICES, size=SIZE)])
    twelve = eight.astype(np.uint16) * 16 + np.arange(SIZE, dtype=np.uint16) % 16
    signed = twelve.astype(np.int16) - np.int16(2048)
    return {"8": (eight, 8), "12": (twelve, 12), "12 signed": (signed, 12), "16": (twelve * np.uint16(16), 16)}


def decoded(content: bytes, **options: str) -> list[Slice]:
    """Return every slice of a file."""
    contents = open_bytes(content, **options)
    return [contents.decode(number) for number in range(contents.slices)]


def dicom_trips() -> Iterator[Trip]:
    """Write enhanced MR, frames from head to foot, in every transfer syntax and each depth that it supports."""
    only = {uid.JPEGBaseline8Bit: ("8",), uid.JPEGExtended12Bit: ("12",)}
    facts = DicomFacts(spacing_mm=(*SPACING[:2], -SPACING[2]), position=(0, 0, SPACING[2] * (SLICES - 1)))
    for name, syntax in SYNTAXES.items():
        for depth, (volume, bits) in depths().items():
            if depth in only.get(syntax, (depth,)):
                content = dicom_bytes(volume[::-1], replace(facts, syntax=syntax, bits_stored=bits))
                yield Trip(f"DICOM, {name}", depth, volume, decoded(content))


def series_trip() -> Trip:
    """Write a tilted series in files with shuffled names, and read them in the order of their positions."""
    volume, bits = depths()["12"]
    across = np.array([0.0, np.cos(0.3), np.sin(0.3)])
    axes = (1.0, 0.0, 0.0, *(float(value) for value in across))
    normal = np.cross(axes[:3], axes[3:])
    names = np.random.default_rng(0).permutation(SLICES)
    with tempfile.TemporaryDirectory() as folder:
        for number, pixels in enumerate(volume):
            place = tuple(float(value) for value in normal * number * SPACING[2])
            facts = DicomFacts(bits_stored=bits, position=place, axes=axes, spacing_mm=SPACING)
            Path(folder, f"{names[number]}.dcm").write_bytes(dicom_bytes(pixels, facts))
        files = in_order(sorted(Path(folder).iterdir())).files
        slices = [decoded(path.read_bytes())[0] for path in files]
        return Trip("DICOM, a tilted series in shuffled files", "12", volume, slices)


def nifti_trips() -> Iterator[Trip]:
    """Write the volume in three orientations, tilted, and with slope and intercept."""
    volume, _ = depths()["12"]
    upright = np.ascontiguousarray(volume[:, ::-1, ::-1].transpose(2, 1, 0)).astype(np.int16)
    straight = np.diag([SPACING[1], SPACING[0], SPACING[2], 1.0])
    image = Nifti1Image(upright, straight)
    for codes in ("RAS", "LPS", "PIR"):
        turned = image.as_reoriented(ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(codes)))
        yield Trip(f"NIfTI, {codes}+", "int16", volume, decoded(turned.to_bytes(), plane="axial"))
    tilt = np.eye(4)
    tilt[1:3, 1:3] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    content = nifti_bytes(upright.astype(np.float32), affine=tilt @ straight)
    yield Trip("NIfTI, tilted, gzipped", "float32", volume, decoded(content))
    content = nifti_bytes(upright, affine=straight, rescale=(0.5, -7.0))
    yield Trip("NIfTI, slope 0.5 and intercept -7", "int16", volume * 0.5 - 7.0, decoded(content))


def mat_trips() -> Iterator[Trip]:
    """Write files in Figshare's format."""
    phantom = draw_patient("glioma", 3, seed=1, slices=1, size=SIZE)[0]
    pixels = phantom.pixels.astype(np.int16) * 16
    for version in ("7.3", "5"):
        content = mat_bytes(pixels, phantom.mask, label=2, patient="100360", version=version)
        yield Trip(f"MATLAB {version}, as Figshare's", "int16", pixels[np.newaxis], decoded(content))


def viewer_image(deep: Pixels, low: float, high: float) -> Pixels:
    """Return the 8-bit image of a viewer that scales between two percentiles of the foreground."""
    black, white = np.percentile(deep[deep > deep.min()], (low, high))
    return np.clip(np.rint((deep - black) * (255 / (white - black))), 0, 255).astype(np.uint8)


def overlap(one: Box, other: Box) -> float:
    """Return the intersection over union of two boxes."""
    high = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    wide = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    shared = max(high, 0) * max(wide, 0)
    return shared / (one.height * one.width + other.height * other.width - shared)


def prepared_rows() -> list[list[str]]:
    """Compare prepared 16-bit slices with the prepared 8-bit images of them, over 40 phantoms."""
    rows = []
    for name, bounds in {
        "percentiles 0.5 to 99.5": (0.5, 99.5),
        "percentiles 0.5 to 99.9": (0.5, 99.9),
        "minimum to maximum": (0.0, 100.0),
    }.items():
        differences, likeness, other_crops = [], [], 0
        for number in range(20):
            for phantom in draw_patient(CLASSES[number % 4], number, seed=5, slices=2, size=256):
                deep = phantom.pixels.astype(np.uint16) * 13 + 40
                pair = Slice(deep.astype(np.float32), bits=16), Slice(viewer_image(deep, *bounds).astype(np.float32))
                ours, theirs = (find_frame(one, PREPARATION) for one in pair)
                other_crops += overlap(ours.box, theirs.box) < 0.95
                first = prepare(pair[0], PREPARATION, ours).astype(float)
                second = prepare(pair[1], PREPARATION, replace(theirs, box=ours.box)).astype(float)
                differences.append(np.abs(first - second).mean())
                likeness.append(np.corrcoef(first.ravel(), second.ravel())[0, 1])
        cells = [f"{np.mean(differences):.2f}", f"{np.max(differences):.2f}", f"{np.min(likeness):.4f}"]
        rows.append([name, *cells, f"{other_crops} of {len(differences)}"])
    return rows


def pydicom_rows() -> list[list[str]]:
    """Count the outcomes on pydicom's test files, as they are and with any modality."""
    found = (Path(pydicom.__file__).parent / "data" / "test_files").rglob("*")
    files = [path for path in found if path.is_file() and path.suffix not in {".py", ".pyc", ".txt", ".json"}]

    def fate(path: Path) -> str:
        try:
            contents = open_bytes(path.read_bytes())
            if contents.omit:
                return "left out"
            for number in range(contents.slices):
                contents.decode(number)
        except ReadError:
            return "refused in one line"
        return "read"

    def counted(name: str) -> list[str]:
        counts = Counter(fate(path) for path in files)
        return [name, *(str(counts[each]) for each in ("read", "left out", "refused in one line")), str(len(files))]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        rows = [counted("as they are (MR only)")]
        with patch.object(dicom, "_require_mr"):
            rows.append(counted("with any modality let through"))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    trips = [*dicom_trips(), series_trip(), *nifti_trips(), *mat_trips()]
    lines = [
        f"{SLICES} synthetic slices of {SIZE} x {SIZE} pixels, written and read back. The difference is the largest of "
        "any pixel, in stored values. Order and spacing: whether both are those that were written. The frames of the "
        "enhanced DICOM files are stored from head to foot.",
        "",
        *markdown(["written as", "bits", "largest difference", "order", "spacing"], rows_of(trips)),
        "",
        "A 16-bit slice compared with the 8-bit picture that a viewer makes of it. Both are prepared with the same "
        "crop; differences are in grey levels from 0 to 255. The last column counts slices for which the crops that "
        "are found separately differ (intersection over union below 95 %):",
        "",
        *markdown(
            ["the viewer scales by", "mean difference", "worst slice", "lowest correlation", "crops differ"],
            prepared_rows(),
        ),
        "",
        "The test files that come with pydicom, which have many rare variants of the format. Left out are files such "
        "as localisers, which are no slices to classify:",
        "",
        *markdown(["pydicom's files", "read", "left out", "refused in one line", "all"], pydicom_rows()),
    ]
    publish("formats", "File formats written and read back", lines, write=arguments.write)
