"""Series of phantoms with known predictions, for the tests of result objects."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from PIL import Image
from pydicom import dcmread

from gadolin.dicom_results.objects import result_objects
from gadolin.dicom_results.slices import SeriesResult, SliceResult
from gadolin.dicom_results.source import Source, read_source
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.records import Prediction

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
PLANES = {
    "axial": (1, 0, 0, 0, 1, 0),
    "coronal": (1, 0, 0, 0, 0, -1),
    "sagittal": (0, 1, 0, 0, 0, -1),
    "oblique": (0.9848, 0.1736, 0, -0.1504, 0.8529, -0.5),
}
MORE = {"StudyDate": "20240501", "StudyTime": "101500.25", "PatientBirthDate": "19700101", "PatientSex": "F",
        "AccessionNumber": "A1", "ReferringPhysicianName": "Doctor^One", "StudyDescription": "MR head"}  # fmt: skip


def prediction(label="glioma", p=0.9, **more):
    """Return a prediction of ``label``; None for one that is declined."""
    rest = (1 - p) / (len(CLASSES) - 1)
    named = label or "glioma"
    found = Prediction(
        path="slice.dcm",
        probabilities={name: p if name == named else rest for name in CLASSES},
        label=label,
        abstained=label is None,
        reason=None if label else "low confidence",
        reason_code=None if label else "low_confidence",
        model="0123456789abcdef",
        sequence="T1c",
        p_tumour=0.95,
    )
    return replace(found, **more)


def headers(folder, count=4, *, plane="axial", size=(64, 48), frames=1, more=None, **facts):
    """Write the files of a series to ``folder``; return their sources in the order of their places."""
    folder.mkdir(parents=True, exist_ok=True)
    axes = PLANES[plane]
    normal = np.cross(axes[:3], axes[3:])
    pixels = np.arange(frames * size[0] * size[1], dtype=np.uint16).reshape(frames, *size) + size[0]
    found = []
    for number in range(count):
        place = tuple(float(one) for one in 5.0 * number * normal)
        settings = DicomFacts(
            position=place, axes=axes, more=MORE | {"InstanceNumber": number + 1} | (more or {}), **facts
        )
        path = folder / f"{number}.dcm"
        path.write_bytes(dicom_bytes(pixels + number if frames > 1 else pixels[0] + number, settings))
        found.append(read_source(path))
    return found


def outline(source: Source, *, empty=False):
    """Return a rectangle as the predicted lesion of a slice."""
    mask = np.zeros((source.header.Rows, source.header.Columns), bool)
    mask[10:20, 5:15] = not empty
    return mask


def result_of(sources, *, labels=("glioma", "notumor", None, "pituitary"), frames=1):
    """Return the result of a series: one prediction a slice, outlines where a tumour is named."""
    slices = []
    for number, source in enumerate(sources):
        for frame in range(frames):
            label = labels[(number + frame) % len(labels)]
            drawn = outline(source) if label not in ("notumor", None) else None
            slices.append(SliceResult(source, frame + 1 if frames > 1 else None, prediction(label), drawn))
    return SeriesResult(tuple(slices), "0123456789abcdef")


def again(content):
    """Return the data set that a reader finds in the bytes of an object."""
    return dcmread(io.BytesIO(content))


def made(result):
    """Return the objects of a result."""
    return list(result_objects(result))


def png(picture):
    """Return a picture (H, W, 3) as PNG."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()
