"""Peak memory of DICOM results beside that of the predictions alone, for one long series with a lesion in most slices.

    python -m benchmarks run dicom_memory [--slices 2000] [--size 512] [--write]

Each is measured in a process of its own. The model answers every slice here: its thresholds are set to 0.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from pydicom import dcmread, dcmwrite

from benchmarks.measured import measured
from benchmarks.publish import markdown, publish
from benchmarks.service.dicom_peers import phantom_series
from gadolin.dicom_results.objects import result_objects
from gadolin.dicom_results.series import answer_series, read_series
from gadolin.models.bundle import read_bundle
from gadolin.models.predictor import Predictor
from gadolin.models.runtime import open_runtime
from gadolin.workflows.predict_files import predict_files

DRAWN = 40  # slices; the others repeat them with other UIDs
LEAST = 0.9  # of the slices have a lesion


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=2000)
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    parser.add_argument("--only", nargs=2, metavar=("WHAT", "FOLDER"), help="predict, or make the results of a series")
    arguments = parser.parse_args()
    if arguments.only:
        work(arguments.only[0], Path(arguments.only[1]))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "series"
        write_series(folder, arguments.slices, arguments.size)
        command = [sys.executable, "-m", "benchmarks.package.dicom_memory", "--only"]
        peaks = {what: measured([*command, what, str(folder)]).mebibytes for what in ("predictions", "results")}
    rows = [[f"{what}, peak memory in MiB", f"{peak:.0f}"] for what, peak in peaks.items()]
    title = "Memory of DICOM results"
    lines = [f"{arguments.slices:,} slices of {arguments.size} x {arguments.size} pixels.", ""]
    publish("dicom-memory", title, [*lines, *markdown(["measure", "value"], rows)], write=arguments.write)


def write_series(folder: Path, slices: int, size: int) -> None:
    drawn = phantom_series(folder, 1, min(DRAWN, slices), size)
    for number in range(len(drawn), slices):
        image = dcmread(drawn[number % len(drawn)])
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{image.SeriesInstanceUID}.{number}"
        image.InstanceNumber, image.ImagePositionPatient = number + 1, [0, 0, 5 * number]
        dcmwrite(folder / f"{number:04d}.dcm", image)


def work(what: str, folder: Path) -> None:
    """Predict the slices of a series, or make their results, and check that most have a lesion."""
    bundle = replace(read_bundle(None), validated=None, ood_threshold=0.0, confidence_threshold=0.0)
    predictor = Predictor(bundle, open_runtime(bundle.graph, "onnxruntime", threads=0, digest=bundle.graph_digest))
    files = sorted(map(str, folder.iterdir()))
    if what == "predictions":
        count = sum(one.label is not None for one in predict_files(predictor, files))
    else:
        result, _ = answer_series(predictor, read_series(files)[0])
        count = sum(one.is_outlined for one in result.slices)
        for one in result_objects(result):
            assert one.content, "an object has bytes"
    if count < LEAST * len(files):
        sys.exit(f"only {count} of {len(files)} slices have a lesion")


if __name__ == "__main__":
    main()
