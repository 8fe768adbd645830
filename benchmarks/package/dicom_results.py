"""DICOM results of phantom series in many geometries: errors of dciodvfy, equal bytes, time beside the prediction.

    python -m benchmarks run dicom_results [--series 200] [--write]

Each series is drawn with a plane, size, spacing, number of frames, transfer syntax and header that follow from its
number. It is predicted by the packaged model, but has the class and the outlines that it was drawn with, so that each
geometry has a segmentation. Its results are made twice; every object is read by pydicom and checked by dciodvfy
(dicom3tools). To compare the times, a series of 60 slices, in most of which the model outlines a lesion, is predicted
alone and with its results, in turns.
"""

from __future__ import annotations

import argparse
import io
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom import dcmread, uid

from benchmarks.publish import markdown, publish
from gadolin.dicom_results.objects import ResultObject, reject, result_objects
from gadolin.dicom_results.series import answer_series, read_series
from gadolin.dicom_results.slices import SeriesResult
from gadolin.models.predictor import Predictor
from gadolin.phantoms import CLASSES, draw_patient
from gadolin.phantoms.encode import DicomFacts, dicom_bytes
from gadolin.workflows.predict_files import predict_files

PLANES = ((1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1), (0.9848, 0.1736, 0, -0.1504, 0.8529, -0.5))
SYNTAXES = (uid.ExplicitVRLittleEndian, uid.ImplicitVRLittleEndian, uid.JPEG2000Lossless, uid.JPEGLSLossless)
HEADERS = (
    {},
    {"StudyDate": "20240501", "StudyTime": "101500.25", "PatientBirthDate": "19700101", "PatientSex": "F"},
    {"SpecificCharacterSet": "ISO_IR 192", "PatientName": "山田^太郎", "AccessionNumber": "A-1"},
    {"PatientName": "Müller^Jörg", "SpecificCharacterSet": "ISO_IR 100", "BodyPartExamined": "HEAD"},
)
SPACINGS = ((0.5, 0.5, 6.0), (0.9375, 0.9375, 1.2), (0.4297, 0.4297, 5.5))
PAIRS = 9
TIMED = ("meningioma", 103, 60)  # class, patient and slices: phantoms whose class the packaged model names


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--series", type=int, default=200)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    if shutil.which("dciodvfy") is None:
        sys.exit("dciodvfy is missing: install dicom3tools")
    predictor = Predictor.load()
    counts: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(arguments.series):
            files, label, outlines = written(Path(folder) / str(number), number)
            result = drawn_result(answered(predictor, files, overlays=number % 5 == 0), label, outlines)
            objects, again = list(result_objects(result)), list(result_objects(result))
            counts["objects with other bytes the second time"] += sum(
                one.content != two.content for one, two in zip(objects, again, strict=True)
            )
            for one in [*objects, reject([each.dataset for each in objects], "benchmark")]:
                counts[f"{one.kind} objects"] += 1
                errors.update(found_in(one, Path(folder) / "object.dcm"))
            counts["series"] += 1
        timed = time_ratios(predictor, timed_series(Path(folder) / "timed"))
    counts["errors of dciodvfy"] = sum(errors.values())
    rows = [[name, str(count)] for name, count in counts.items()] + [[line, str(n)] for line, n in errors.items()]
    rows += timed
    publish("dicom-results", "Results as DICOM objects", markdown(["measure", "value"], rows), write=arguments.write)


def written(folder: Path, number: int) -> tuple[list[str], str, list[NDArray[np.bool_]]]:
    """Write the series with a number; return its files, its class and the outline of each slice."""
    folder.mkdir()
    axes, spacing = PLANES[number % 4], SPACINGS[number % 3]
    normal = np.cross(axes[:3], axes[3:])
    label = CLASSES[number // 2 % 4]
    drawn = draw_patient(label, number, slices=6, size=(128, 160, 192, 256)[number // 4 % 4])
    pixels = np.stack([np.asarray(one.pixels, np.uint16) * 4 for one in drawn])
    enhanced = number % 7 == 3
    for place, slab in enumerate([pixels] if enhanced else pixels):
        position = np.round(place * spacing[2] * normal - 40.0, 5)
        facts = DicomFacts(
            syntax=SYNTAXES[number // 8 % 4],
            position=tuple(float(one) for one in position),
            axes=axes,
            spacing_mm=spacing,
            series=f"1.2.826.0.1.3680043.8.498.10.{number}",
            more=HEADERS[number // 3 % 4] | {"InstanceNumber": place + 1},
        )
        (folder / f"{place}.dcm").write_bytes(dicom_bytes(slab, facts))
    return sorted(map(str, folder.iterdir())), label, [one.mask for one in drawn]


def answered(predictor: Predictor, files: list[str], *, overlays: bool = False) -> SeriesResult:
    sources, unread = read_series(files)
    result, failures = answer_series(predictor, sources, overlays=overlays)
    if unread or failures:
        sys.exit(f"{[*unread, *failures][0]}")
    return result


def drawn_result(result: SeriesResult, label: str, outlines: list[NDArray[np.bool_]]) -> SeriesResult:
    """Return a result with the class and the outlines that the phantom was drawn with."""
    named = {"label": label, "abstained": False, "reason": None, "reason_code": None}
    slices = [
        replace(one, prediction=replace(one.prediction, **named), outline=outline if outline.any() else None)
        for one, outline in zip(result.slices, in_order(result, outlines), strict=True)
    ]
    return SeriesResult(tuple(slices), result.model)


def in_order(result: SeriesResult, outlines: list[NDArray[np.bool_]]) -> list[NDArray[np.bool_]]:
    """Return the outlines in the order of the slices: frames of an enhanced image may be in another one."""
    return [outlines[place if one.frame is None else one.frame - 1] for place, one in enumerate(result.slices)]


def found_in(one: ResultObject, path: Path) -> list[str]:
    """Return the errors of dciodvfy, and an error if pydicom reads back another object."""
    path.write_bytes(one.content)
    done = subprocess.run(["dciodvfy", path], capture_output=True, text=True, errors="replace", check=False)
    lines = (done.stdout + done.stderr).splitlines()
    found = [f"{one.kind}: {line}" for line in lines if line.startswith(("Error", "Abort"))]
    if dcmread(io.BytesIO(one.content)) != dcmread(path):
        found.append(f"{one.kind}: read back otherwise")
    return found


def timed_series(folder: Path) -> list[str]:
    """Write the series that is timed; return its files."""
    folder.mkdir()
    label, patient, slices = TIMED
    for place, drawn in enumerate(draw_patient(label, patient, slices=slices, size=256)):
        facts = DicomFacts(
            position=(0.0, 0.0, 5.0 * place), spacing_mm=(0.86, 0.86, 5.0), more={"InstanceNumber": place + 1}
        )
        (folder / f"{place:02}.dcm").write_bytes(dicom_bytes(np.asarray(drawn.pixels, np.uint16) * 4, facts))
    return sorted(map(str, folder.iterdir()))


def time_ratios(predictor: Predictor, files: list[str]) -> list[list[str]]:
    """Return rows on the time to predict a series, divided by the time to make its SR and SEG; medians over pairs."""
    ratios: dict[str, list[float]] = {"by the clock": [], "by processor time": []}
    for _ in range(PAIRS):
        begun = clocks()
        list(predict_files(predictor, files))
        between = clocks()
        result = answered(predictor, files)
        list(result_objects(result))
        for found, first, second, third in zip(ratios.values(), begun, between, clocks(), strict=True):
            found.append((second - first) / (third - second))
    outlined = sum(one.is_outlined for one in result.slices)
    rows = [["slices of the timed series; with a lesion", f"{len(files)}; {outlined}"]]
    measure = "speed with SR and SEG, divided by that of the predictor alone"
    return rows + [[f"{measure}, {how}", f"{statistics.median(found):.2f}"] for how, found in ratios.items()]


def clocks() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


if __name__ == "__main__":
    main()
