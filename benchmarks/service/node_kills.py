"""Kill a DICOM node again and again: every acknowledged image must be answered exactly once.

    python -m benchmarks run node_kills [--instances 2000] [--kills 200] [--seconds 1200] [--write]

A sender delivers phantom series at an even pace and repeats each image until it is acknowledged. The last image of
every third series comes only when the others have been answered, and every tenth image comes twice. The node, which has
two destinations, is killed (SIGKILL) at random moments and started again. Then every image must be in exactly one
report of each archive that no note rejects, and the spool must be empty.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pydicom import dcmread

from benchmarks.publish import markdown, publish
from benchmarks.service.dicom_peers import Archive, NodeProcess, phantom_series, send

SLICES = 10  # of a series
KEEP_SECONDS = 120
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
    archives = Archive(), Archive()
    settings = {"wait_seconds": 1.0, "keep_seconds": KEEP_SECONDS}
    node = NodeProcess(folder, [one.port for one in archives], {"series": settings})
    node.start()
    sender = Sender(folder, node.port, arguments.instances, arguments.seconds, archives[0])
    sender.start()
    begun = time.monotonic()
    listening = kill_often(node, arguments)
    killing = time.monotonic() - begun
    sender.join()
    last = time.monotonic() + LONGEST_END
    while node.kept() and time.monotonic() < last:
        time.sleep(1)
    node.stop()
    found = [Counter(image for images in one.reports().values() for image in images) for one in archives]
    for one in archives:
        one.close()
    counts = [(one.count("SR"), one.count("KO"), one.repeated, one.contradicted) for one in archives]
    return [
        ["images acknowledged; of these sent a second time", f"{len(sender.acknowledged)}; {sender.twice}"],
        ["attempts to send that were not acknowledged", str(sender.repeated)],
        ["kills (SIGKILL), over", f"{arguments.kills} in {killing / 60:.1f} minutes"],
        ["kills of a node that was listening", str(listening)],
        [
            "acknowledged images in no report, at each destination",
            _both(sum(not one[uid] for uid in sender.acknowledged) for one in found),
        ],
        [
            "images in several valid reports, at each destination",
            _both(sum(n > 1 for n in one.values()) for one in found),
        ],
        ["series that got their last image after their report", str(sender.late)],
        ["reports, at each destination", _both(one[0] for one in counts)],
        ["rejection notes, at each destination", _both(one[1] for one in counts)],
        ["objects sent again with the same bytes, at each destination", _both(one[2] for one in counts)],
        ["objects sent again with other bytes, at each destination", _both(one[3] for one in counts)],
        ["series left in the spool", str(node.kept())],
    ]


def _both(values: Iterable[int]) -> str:
    return "; ".join(map(str, values))


def kill_often(node: NodeProcess, arguments: argparse.Namespace) -> int:
    """Kill the node at random moments and start it again at once; return how often it was listening."""
    generator, mean = random.Random(arguments.seed), arguments.seconds / arguments.kills
    begun, listening = time.monotonic(), 0
    for number in range(arguments.kills):
        moment = begun + mean * (number + generator.uniform(SHORTEST_LIFE, 2 - SHORTEST_LIFE))
        time.sleep(max(0.0, moment - time.monotonic()))
        listening += node.is_listening()
        node.kill()
        node.start(wait=False)
        if number % 20 == 19:
            print(f"{number + 1} of {arguments.kills} kills, {node.kept()} series in the spool", flush=True)
    return listening


class Sender(threading.Thread):
    """Delivers phantom series at an even pace, each image until it is acknowledged."""

    def __init__(self, folder: Path, port: int, instances: int, seconds: float, archive: Archive) -> None:
        super().__init__(name="sender")
        self._folder, self._port, self._count, self._pause = folder, port, instances, seconds / instances
        self._archive, self._held_back = archive, list[Path]()
        self.acknowledged: list[str] = []
        self.repeated = self.twice = self.late = 0

    def run(self) -> None:
        """Deliver all series."""
        begun = time.monotonic()
        for number in range(self._count // SLICES):
            images = phantom_series(self._folder / str(number), number, SLICES)
            if number % 3 == 0:
                self._held_back.append(images.pop())
            for path in images:
                self._deliver(path)
                time.sleep(max(0.0, begun + len(self.acknowledged) * self._pause - time.monotonic()))
            self._complete()
        while self._held_back:
            self._complete()
            time.sleep(0.5)

    def _deliver(self, path: Path) -> None:
        while not send(self._port, path):
            self.repeated += 1
            time.sleep(0.2)
        self.acknowledged.append(uid_of(path))
        if len(self.acknowledged) % 10 == 0:
            self.twice += send(self._port, path)

    def _complete(self) -> None:
        """Deliver the images that were held back and whose series have been answered without them."""
        answered = {uid for images in self._archive.reports().values() for uid in images}
        for path in list(self._held_back):
            if uid_of(path.with_name("0000.dcm")) in answered:
                self._held_back.remove(path)
                self._deliver(path)
                self.late += 1


def uid_of(path: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return str(dcmread(path, specific_tags=["SOPInstanceUID"]).SOPInstanceUID)


if __name__ == "__main__":
    main()
