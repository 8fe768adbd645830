"""How fast a DICOM node accepts images, beside the ``storescp`` of pynetdicom with fsync; and its memory.

    python -m benchmarks run node_accept [--instances 400] [--pairs 5] [--write]

DCMTK's ``storescu`` sends phantom images over 1, 4 and 16 associations at once to the node, which has only its spool to
fill, and to pynetdicom's own storage handler, which writes each file, with an fsync, to a folder. Runs alternate; the
ratio is the median of the pairs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pydicom import dcmread, dcmwrite
from pynetdicom import AE, evt
from pynetdicom.apps.common import handle_store
from pynetdicom.presentation import AllStoragePresentationContexts

from benchmarks.publish import markdown, publish
from benchmarks.service.dicom_peers import LOOPBACK, NODE, SENDER, NodeProcess, free_port, phantom_series

ASSOCIATIONS = (1, 4, 16)
MOST = 40  # associations that both allow, since those that end are still counted for a moment


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=400, help="images of one run")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    parser.add_argument("--serve", nargs=2, metavar=("PORT", "FOLDER"), help="run the storage handler of pynetdicom")
    arguments = parser.parse_args()
    if arguments.serve:
        serve(int(arguments.serve[0]), Path(arguments.serve[1]))
        return
    if shutil.which("storescu") is None:
        sys.exit("storescu is missing: install dcmtk")
    with tempfile.TemporaryDirectory() as name:
        rows = measured(Path(name), arguments.instances, arguments.pairs)
    head = ["associations", "node, images/s", "storescp, images/s", "ratio"]
    title = "Receiving images over DICOM"
    publish("node-accept", title, markdown(head, rows), write=arguments.write)


def measured(folder: Path, instances: int, pairs: int) -> list[list[str]]:
    node = NodeProcess(folder, [free_port()], {"series": {"wait_seconds": 1e6}, "limits": {"associations": MOST}})
    node.start()
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.service.node_accept", "--serve", str(port), str(folder / "stored")]
    plain = subprocess.Popen(command, start_new_session=True)
    time.sleep(3)
    rows, run = [], 0
    try:
        for count in ASSOCIATIONS:
            rates: list[tuple[float, float]] = []
            for _ in range(pairs):
                pair = []
                for target in (node.port, port):
                    run += 1
                    pair.append(rate(folder / f"run{run}", run, target, count, instances))
                rates.append((pair[0], pair[1]))
            ratio = statistics.median(ours / theirs for ours, theirs in rates)
            ours, theirs = (statistics.median(one) for one in zip(*rates, strict=True))
            rows.append([str(count), f"{ours:.0f}", f"{theirs:.0f}", f"{ratio:.2f}"])
            print(rows[-1], flush=True)
    finally:
        node.stop()
        plain.terminate()
    return rows


def rate(folder: Path, run: int, port: int, associations: int, instances: int) -> float:
    """Return the images per second that a server accepts."""
    each = instances // associations
    for one in range(associations):
        phantom_files(folder / str(one), run * 100 + one, each)
    command = ["storescu", "-aet", SENDER, "-aec", NODE, "+sd", LOOPBACK, str(port)]
    begun = time.perf_counter()
    running = [subprocess.Popen([*command, str(folder / str(one))]) for one in range(associations)]
    if any(one.wait() for one in running):
        sys.exit("storescu failed")
    taken = time.perf_counter() - begun
    shutil.rmtree(folder)
    return each * associations / taken


def phantom_files(folder: Path, number: int, count: int) -> None:
    """Write images of one series that differ in their UIDs."""
    (first, *_) = phantom_series(folder, number, 1)
    image = dcmread(first)
    root = f"{image.SeriesInstanceUID}.9"
    first.unlink()
    for place in range(count):
        image.SOPInstanceUID = image.file_meta.MediaStorageSOPInstanceUID = f"{root}.{place}"
        image.InstanceNumber = place + 1
        dcmwrite(folder / f"{place:05d}.dcm", image)


def serve(port: int, folder: Path) -> None:
    """Run pynetdicom's storage handler, with an fsync of each file."""
    import logging

    quiet = logging.getLogger("quiet")
    quiet.disabled = True
    settings = argparse.Namespace(ignore=False, output_directory=str(folder))

    def store(event: evt.Event) -> object:
        status = handle_store(event, settings, quiet)
        handle = os.open(folder / f"MR.{event.request.AffectedSOPInstanceUID}", os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)
        return status

    entity = AE(NODE)
    for one in AllStoragePresentationContexts:
        entity.add_supported_context(str(one.abstract_syntax))
    entity.maximum_associations = MOST
    entity.start_server((LOOPBACK, port), evt_handlers=[(evt.EVT_C_STORE, store)])


if __name__ == "__main__":
    main()
