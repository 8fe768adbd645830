"""How fast a DICOM node answers, beside the predictor alone, and its memory over many images.

    python -m benchmarks run node_answer [--pairs 5] [--instances 20000] [--write]

In each pair, the node answers series that are in its spool, makes the report and the segmentation and sends both to an
archive, while the clock runs; and the predictor predicts the same files in this process. Then series are sent until so
many images have been answered, and the memory of the node and its process is taken after each tenth.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pydicom import dcmread, dcmwrite

from benchmarks.publish import markdown, publish
from benchmarks.service.dicom_peers import ARCHIVE, LOOPBACK, NODE, SENDER, Archive, NodeProcess, phantom_series
from gadolin.dicom_network.config import NodeConfig
from gadolin.dicom_network.node import Node
from gadolin.dicom_network.spool import Identity
from gadolin.models.predictor import Predictor
from gadolin.workflows.predict_files import predict_files

SERIES, SLICES = 4, 60  # of one timed run
PARTS = 10
SENT_SLICES = 100  # of one series when memory is measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--instances", type=int, default=20_000)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    if shutil.which("storescu") is None:
        sys.exit("storescu is missing: install dcmtk")
    with tempfile.TemporaryDirectory() as name:
        rows = speed(Path(name), arguments.pairs)
    if arguments.instances:
        with tempfile.TemporaryDirectory() as name:
            rows += memory(Path(name), arguments.instances)
    publish("node-answer", "Predictions over DICOM", markdown(["measure", "value"], rows), write=arguments.write)


def speed(folder: Path, pairs: int) -> list[list[str]]:
    archive, predictor = Archive(), Predictor.load()
    rates = []
    for number in range(pairs + 1):
        files = [phantom_series(folder / f"{number}-{one}", number * SERIES + one, SLICES) for one in range(SERIES)]
        node = node_rate(folder / f"spool{number}", files, archive)
        begun = time.perf_counter()
        count = len(list(predict_files(predictor, [str(path) for one in files for path in one])))
        rates.append((node, count / (time.perf_counter() - begun)))
        print(f"node {rates[-1][0]:.1f}, predictor {rates[-1][1]:.1f} slices/s", flush=True)
    archive.close()
    rates = rates[1:]  # the first warms up
    ratio = statistics.median(one / two for one, two in rates)
    return [
        ["slices per second, predictor in this process", f"{statistics.median(two for _, two in rates):.0f}"],
        [
            "slices per second, answered by the node, objects made and sent",
            f"{statistics.median(one for one, _ in rates):.0f}",
        ],
        ["ratio, median of the pairs", f"{ratio:.2f}"],
    ]


def node_rate(spool: Path, files: list[list[Path]], archive: Archive) -> float:
    """Return the slices per second from images in the spool to reports in the archive."""
    config = NodeConfig.model_validate(
        {
            "spool": spool,
            "listen": {"port": 0},
            "callers": [{"ae_title": SENDER, "address": LOOPBACK}],
            "destinations": [{"name": "archive", "ae_title": ARCHIVE, "address": LOOPBACK, "port": archive.port}],
            "series": {"wait_seconds": 3600},
            "limits": {"free_bytes": 0},
        }
    )
    with Node(config) as node:
        put(node, phantom_series(spool.parent / f"{spool.name}-warm", 10**6 + int(spool.name[5:]), 1))
        answer_all(node)  # the process of the node is ready
        for one in files:
            put(node, one)
        archive.objects.clear()
        begun = time.perf_counter()
        answer_all(node)
        taken = time.perf_counter() - begun
        assert len(archive.objects) >= len(files), "reports are in the archive"
    return sum(map(len, files)) / taken


def put(node: Node, paths: list[Path]) -> None:
    """Write images to the spool of a node, as it does when they are received."""
    for path in paths:
        head = dcmread(path, stop_before_pixels=True)
        node.spool.store(
            Identity(head.StudyInstanceUID, head.SeriesInstanceUID, head.SOPInstanceUID), path.read_bytes()
        )


def answer_all(node: Node) -> None:
    """Let all series in the spool count as complete, and wait until the results of each are sent."""
    found = node.spool.series()
    for one in found:
        one.last = float("-inf")
    while not all(one.is_answered and one.sets[-1].is_sent("archive") for one in found):
        time.sleep(0.01)


def memory(folder: Path, instances: int) -> list[list[str]]:
    """Return the rows of the memory over many images."""
    archive = Archive()
    node = NodeProcess(folder, [archive.port], {"series": {"wait_seconds": 0.5, "keep_seconds": 0.0}})
    node.start()
    held, begun = [], time.monotonic()
    drawn = phantom_series(folder / "drawn", 1, SENT_SLICES)
    for part in range(PARTS):
        for number in range(instances // SENT_SLICES // PARTS):
            deliver(folder / "series", drawn, part * 10**4 + number, node.port)
            while node.kept() > 2:
                time.sleep(0.1)
        while node.kept():
            time.sleep(0.1)
        held.append(node.memory())
        archive.objects.clear()
        print(f"{part + 1}: {held[-1]:.0f} MiB, {time.monotonic() - begun:.0f} s", flush=True)
    node.stop()
    archive.close()
    return [
        [f"memory after each tenth of {instances:,} images, MiB", ", ".join(f"{one:.0f}" for one in held)],
        ["minutes for these", f"{(time.monotonic() - begun) / 60:.0f}"],
    ]


def deliver(folder: Path, drawn: list[Path], number: int, port: int) -> None:
    """Send a series with the pixels of another one, in one association."""
    folder.mkdir()
    root = f"1.2.826.0.1.3680043.8.498.40.{number}"
    for place, path in enumerate(drawn):
        image = dcmread(path)
        image.StudyInstanceUID, image.SeriesInstanceUID = f"{root}.1", f"{root}.2"
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{root}.3.{place}"
        dcmwrite(folder / path.name, image)
    command = ["storescu", "-aet", SENDER, "-aec", NODE, "+sd", LOOPBACK, str(port), str(folder)]
    subprocess.run(command, check=True)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
