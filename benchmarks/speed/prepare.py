"""Speed of reading and preparation, and cold start of the command line.

    python -m benchmarks run prepare [--data FOLDER] [--model RUN] [--write]

The defaults are phantoms and an untrained network: speed does not depend on the weights.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from benchmarks.publish import markdown, publish
from gadolin.datasets import scan
from gadolin.models.bundle import Bundle, write_bundle
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read
from gadolin.workflows.predict_files import expand

RUNS = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--pictures", type=int, default=1000)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or phantoms(Path(folder))
        model = arguments.model or untrained(Path(folder) / "bundle")
        lines = [*throughput(data, arguments.pictures, Path(folder)), "", *cold_start(data, model)]
    publish("prepare", "Image preparation and start time", lines, write=arguments.write)


def phantoms(folder: Path) -> Path:
    write_phantoms(folder / "phantoms", PhantomPlan(patients=64))
    return folder / "phantoms"


def untrained(folder: Path) -> Path:
    from gadolin.networks import MirrorAverage, build_classifier
    from gadolin.recipe import named_recipe
    from gadolin.training.export import export_graph

    recipe = named_recipe("default")
    examples = np.random.default_rng(0).integers(0, 256, (2, 256, 256), dtype=np.uint8)
    digest = export_graph(MirrorAverage(build_classifier(recipe.network, 4)), examples, folder / "model.onnx")
    write_bundle(Bundle(folder, ("glioma", "meningioma", "notumor", "pituitary"), recipe.preparation, digest))
    return folder


def throughput(data: Path, pictures: int, folder: Path) -> list[str]:
    """Time reading and preparation against the bare decoder, on one thread and through the cache."""
    records = scan(data).records[:: max(1, len(scan(data).records) // pictures)][:pictures]
    preparation = Preparation()
    bare, whole, both = [], [], []
    for turn in range(3):
        bare.append(rate(len(records), lambda: [cv2.imread(str(r.path), cv2.IMREAD_UNCHANGED) for r in records]))
        whole.append(rate(len(records), lambda: [prepare(read(r.path), preparation) for r in records]))
        cache = folder / f"cache{turn}"
        both.append(rate(len(records), lambda cache=cache: prepared_slices(records, preparation, cache)))
    rows = [
        ["bare decoder (OpenCV), one thread", f"{statistics.median(bare):.0f}"],
        ["read and prepare, one thread", f"{statistics.median(whole):.0f}"],
        ["read, prepare and cache, all cores", f"{statistics.median(both):.0f}"],
    ]
    return [f"{len(records)} pictures, median of 3:", "", *markdown(["what", "pictures/s"], rows)]


def cold_start(data: Path, model: Path) -> list[str]:
    """Time whole processes from start to exit."""
    picture = expand([str(data)]).files
    picture = [each for each in picture if each.endswith((".jpg", ".png"))][:1]
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "gadolin --help": [sys.executable, "-m", "gadolin", "--help"],
        "gadolin predict one picture": [sys.executable, "-m", "gadolin", "predict", *picture, "--model", str(model)],
    }
    rows = []
    for name, command in commands.items():
        seconds = []
        for _ in range(RUNS + 1):
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds.append(time.perf_counter() - start)
        rows.append([name, f"{statistics.median(seconds[1:]):.2f}", f"{min(seconds[1:]):.2f}"])
    return [f"Cold start, {RUNS} runs after one warm-up:", "", *markdown(["command", "median s", "fastest s"], rows)]


def rate(count: int, work: object) -> float:
    start = time.perf_counter()
    work()  # type: ignore[operator]
    return count / (time.perf_counter() - start)
