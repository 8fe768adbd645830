"""Predictions into Parquet by engine, in slices per second, beside the predictor in this process.

    python -m benchmarks run bulk [--slices 1200] [--rounds 5] [--write]

Phantoms as PNG of 256 x 256. Each round answers the same files once by each way, in turns; the ratios are medians over
the rounds. The predictor in this process is ``predict_files``, which reads ahead with one thread for each core and
keeps its answers in memory.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.publish import markdown, publish
from gadolin.engines.local import LocalEngine
from gadolin.models.predictor import Predictor
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.workflows.predict_bulk import BulkPlan, predict_bulk
from gadolin.workflows.predict_files import predict_files

PARTITION = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=1200)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="store the result and render the pages")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        write_phantoms(home / "mri", PhantomPlan(patients=max(2, arguments.slices // 16)))
        files = sorted(map(str, (home / "mri").rglob("*/s*.png")))[: arguments.slices]
        predictor = Predictor.load()
        ways: dict[str, Callable[[], object]] = {
            "predictor in this process": lambda: list(predict_files(predictor, files)),
            "local, 1 process, 2 threads": lambda: bulk(home, files, 1, 2),
            "local, 2 processes, 1 thread each": lambda: bulk(home, files, 2, 1),
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(arguments.rounds):
            for name, way in ways.items():
                rates[name].append(len(files) / seconds(way))
    first = rates["predictor in this process"]
    rows = [
        [
            name,
            f"{statistics.median(found):.1f}",
            f"{statistics.median(a / b for a, b in zip(found, first, strict=True)):.2f}",
        ]
        for name, found in rates.items()
    ]
    size = f"{len(files):,} slices, {PARTITION} in a partition, {arguments.rounds} rounds"
    note = f"{size}; the start of the processes is included."
    lines = [*markdown(["engine", "slices per second", "ratio, median of rounds"], rows), "", note]
    publish("bulk", "Predictions into Parquet by engine", lines, write=arguments.write)


def bulk(home: Path, files: list[str], processes: int, threads: int) -> None:
    """Answer the files into a new folder."""
    out = home / "answers"
    shutil.rmtree(out, ignore_errors=True)
    predict_bulk(BulkPlan(out, tuple(files), threads=threads, partition=PARTITION), LocalEngine(processes))


def seconds(way: Callable[[], object]) -> float:
    """Return the seconds that a call takes."""
    started = time.perf_counter()
    way()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
