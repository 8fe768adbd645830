"""Kill a DICOM node again and again: every acknowledged image must be answered exactly once.

    python -m benchmarks run node_kills [--instances 2000] [--kills 200] [--seconds 1200] [--write]

A sender delivers phantom series at an even pace and repeats each image until it is acknowledged. The node is killed
(SIGKILL) at random moments and started again. Then every image must be in exactly one report of the archive that no
note rejects, and the spool must be empty.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

from pydicom import dcmread

from benchmarks.publish import markdown, publish
from benchmarks.service.dicom_peers import Archive, NodeProcess, phantom_series, send

SLICES = 10  # of a series
KEEP_SECONDS = 60
SHORTEST_LIFE = 0.5  # of the mean, of a node
LONGEST_END = 600  # seconds until all is answered after the last kill


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instances", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=1200.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = measured(Path(name), arguments)
    title = "A DICOM node that is killed"
    publish("node-kills", title, markdown(["measure", "value"], rows), write=arguments.write)


def measured(folder: Path, arguments: argparse.Namespace) -> list[list[str]]:
    """Return the rows of the result."""
    archive = Archive()
    settings = {"wait_seconds": 1.0, "keep_seconds": KEEP_SECONDS}
    node = NodeProcess(folder, archive.port, {"series": settings})
    node.start()
    sender = Sender(folder, node.port, arguments.instances, arguments.seconds)
    sender.start()
    begun = time.monotonic()
    kill_often(node, arguments)
    killing = time.monotonic() - begun
    sender.join()
    last = time.monotonic() + LONGEST_END
    while node.kept() and time.monotonic() < last:
        time.sleep(1)
    node.stop()
    found = Counter(image for images in archive.reports().values() for image in images)
    archive.close()
    return [
        ["images acknowledged", str(len(sender.acknowledged))],
        ["attempts that were not acknowledged", str(sender.repeated)],
        ["kills (SIGKILL), over", f"{arguments.kills} in {killing / 60:.1f} minutes"],
        ["acknowledged images in no report: lost", str(sum(not found[one] for one in sender.acknowledged))],
        ["images in several valid reports: doubled", str(sum(count > 1 for count in found.values()))],
        ["reports; rejection notes", f"{archive.count('SR')}; {archive.count('KO')}"],
        ["objects that came again with the same bytes; with others", f"{archive.repeated}; {archive.contradicted}"],
        ["series left in the spool", str(node.kept())],
    ]


def kill_often(node: NodeProcess, arguments: argparse.Namespace) -> None:
    """Kill the node at random moments and start it again at once."""
    generator, mean = random.Random(arguments.seed), arguments.seconds / arguments.kills
    begun = time.monotonic()
    for number in range(arguments.kills):
        moment = begun + mean * (number + generator.uniform(SHORTEST_LIFE, 2 - SHORTEST_LIFE))
        time.sleep(max(0.0, moment - time.monotonic()))
        node.kill()
        node.start(wait=False)
        if number % 20 == 19:
            print(f"{number + 1} of {arguments.kills} kills, {node.kept()} series in the spool", flush=True)


class Sender(threading.Thread):
    """Delivers phantom series at an even pace, each image until it is acknowledged."""

    def __init__(self, folder: Path, port: int, instances: int, seconds: float) -> None:
        super().__init__(name="sender")
        self._folder, self._port, self._count, self._pause = folder, port, instances, seconds / instances
        self.acknowledged: list[str] = []
        self.repeated = 0

    def run(self) -> None:
        """Deliver all series."""
        begun = time.monotonic()
        for number in range(self._count // SLICES):
            for path in phantom_series(self._folder / str(number), number, SLICES):
                while not send(self._port, path):
                    self.repeated += 1
                    time.sleep(0.2)
                self.acknowledged.append(str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID))
                time.sleep(max(0.0, begun + len(self.acknowledged) * self._pause - time.monotonic()))


if __name__ == "__main__":
    main()
