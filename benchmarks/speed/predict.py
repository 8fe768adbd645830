"""Speed of prediction: one slice on one core, batches against the bare runtime, the command, a collection.

    python -m benchmarks run predict DATA [--model MODEL] [--runtime onnxruntime] [--collection FOLDER] [--write]

DATA is a folder of slices; the first 200 are used. ``--collection`` is a folder that ``gadolin predict`` processes as a
whole.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from benchmarks.measured import measured
from benchmarks.publish import markdown, publish
from gadolin.models.bundle import SHIPPED
from gadolin.models.predictor import Predictor
from gadolin.models.runtime import open_runtime
from gadolin.preprocessing.prepare import prepare
from gadolin.readers import read
from gadolin.workflows.predict_files import expand, predict_files

RUNS = 100
BATCH = 16
PAIRS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--runtime", default="onnxruntime")
    parser.add_argument("--collection", type=Path)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    files = list(expand([str(arguments.data)]).files)[:200]
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "slice.png"
        pixels = cv2.resize(read(files[0]).pixels, (512, 512), interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(picture), pixels.astype(np.uint8))
        rows = [one_slice(arguments, picture), *batches(arguments, files), command(arguments, picture)]
        if arguments.collection:
            rows.append(collection(arguments))
    note = (
        f"Runtime {arguments.runtime}. p50 and p99: median and 99th percentile. Rates are medians over pairs of runs, "
        "ratios the medians of the ratios of the pairs."
    )
    lines = [*markdown(["what", "measured", "compared with", "ratio"], rows), "", note]
    publish(f"predict-{arguments.runtime}", "Speed of the packaged model", lines, write=arguments.write)


def one_slice(arguments: argparse.Namespace, picture: Path) -> list[str]:
    """Time one file to JSON with evidence and abstention, model loaded, on one core, and the network alone."""
    cv2.setNumThreads(1)
    predictor = Predictor.load(arguments.model, runtime=arguments.runtime, threads=1)
    prepared = prepare(read(picture), predictor.bundle.preparation)[None]

    def whole() -> None:
        (answer,) = predict_files(predictor, [str(picture)])  # the graph always computes the evidence
        json.dumps(answer.as_json())

    both = [milliseconds(whole), milliseconds(lambda: predictor.run_network(prepared))]
    cells = [f"p50 {np.median(each):.1f} ms, p99 {np.percentile(each, 99):.1f} ms" for each in both]
    ratio = f"{np.median(both[0]) / np.median(both[1]):.2f}"
    return ["one slice of 512 x 512, file to JSON, one core", cells[0], f"the network alone: {cells[1]}", ratio]


def batches(arguments: argparse.Namespace, files: list[str]) -> list[list[str]]:
    """Measure slices per second on all cores, in pairs with the bare runtime on prepared slices."""
    predictor = Predictor.load(arguments.model, runtime=arguments.runtime)
    runtime = open_runtime(predictor.bundle.graph, arguments.runtime)
    prepared = np.stack([prepare(read(path), predictor.bundle.preparation) for path in files])

    def bare() -> None:
        for start in range(0, len(prepared), BATCH):
            runtime(prepared[start : start + BATCH])

    def from_files() -> None:
        list(predict_files(predictor, files))

    ready = [(rate(lambda: predictor.run_network(prepared), len(files)), rate(bare, len(files))) for _ in range(PAIRS)]
    whole = [(rate(from_files, len(files)), rate(bare, len(files))) for _ in range(PAIRS)]
    return [
        ["slices already prepared, all cores", *beside(ready)],
        ["files to answers, all cores", *beside(whole)],
    ]


def beside(pairs: list[tuple[float, float]]) -> list[str]:
    ours, bare = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    return [f"{ours:.0f} slices/s", f"the runtime alone: {bare:.0f} slices/s", f"{ratio:.2f}"]


def command(arguments: argparse.Namespace, picture: Path) -> list[str]:
    """Measure time and memory of the command for one slice."""
    words = [sys.executable, "-m", "gadolin", "predict", str(picture), "--model", str(arguments.model), "--json"]
    costs = [measured([*words, "--runtime", arguments.runtime]) for _ in range(6)][1:]
    nothing = [measured([sys.executable, "-c", "import numpy, onnxruntime"]) for _ in range(6)][1:]
    cells = [
        f"{statistics.median(each.seconds for each in some):.2f} s, {max(each.mebibytes for each in some):.0f} MiB"
        for some in (costs, nothing)
    ]
    return ["gadolin predict, start to end", cells[0], f"importing numpy and onnxruntime: {cells[1]}", ""]


def collection(arguments: argparse.Namespace) -> list[str]:
    """Measure time and memory of the command for a whole collection."""
    words = [sys.executable, "-m", "gadolin", "predict", str(arguments.collection), "--model", str(arguments.model)]
    cost = measured([*words, "--json", "--runtime", arguments.runtime])
    count = len(expand([str(arguments.collection)]).files)
    return [f"gadolin predict, {count:,} pictures", f"{cost.seconds:.0f} s, {cost.mebibytes:.0f} MiB", "", ""]


def milliseconds(work: Callable[[], object]) -> list[float]:
    times = []
    for _ in range(RUNS + 5):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return times[5:]


def rate(work: Callable[[], object], count: int) -> float:
    start = time.perf_counter()
    work()
    return count / (time.perf_counter() - start)
