"""This version against an earlier one: equal predictions, and speed in interleaved pairs.

    python -m benchmarks run versions PICTURES [--revision d34e2e9] [--pairs 9] [--write]

PICTURES is a folder of slices. Both versions predict all of them with the packaged model, and the predictions are
compared. Then old and new code alternate for each measurement, ``--pairs`` times. The result is the median ratio of the
times, new to old; for the service it is the time for the same requests.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import statistics
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from benchmarks.publish import ROOT, markdown, publish

START = """
import subprocess, sys, time
begun = time.perf_counter()
subprocess.run([sys.executable, "-m", "gadolin", "predict", sys.argv[1]], check=True, capture_output=True)
print(time.perf_counter() - begun)
"""
PREDICT = """
import statistics, sys, time, gadolin
predictor = gadolin.Predictor.load(threads=1)
took = []
for path in sys.argv[1:41] * 3:
    begun = time.perf_counter()
    predictor.predict(gadolin.read(path))
    took.append(time.perf_counter() - begun)
print(statistics.median(took))
"""
SERVICE = """
import http.client, re, subprocess, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
command = [sys.executable, "-m", "gadolin", "serve", "--port", "0"]
process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
port = int(next(found[1] for line in process.stdout if (found := re.search(r"http://127\\.0\\.0\\.1:(\\d+)", line))))
contents = [Path(path).read_bytes() for path in sys.argv[1:41]]
def send(some):
    link = http.client.HTTPConnection("127.0.0.1", port)
    for content in some:
        head = b'--b\\r\\nContent-Disposition: form-data; name="files"; filename="a.jpg"\\r\\n\\r\\n'
        link.request("POST", "/v1/predict", head + content + b"\\r\\n--b--\\r\\n",
                     {"Content-Type": "multipart/form-data; boundary=b"})
        answer = link.getresponse()
        assert answer.status == 200, answer.read()
        answer.read()
def all_of(contents):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(send, [contents[start::4] for start in range(4)]))
for wait in range(100):
    try:
        all_of(contents[:8])
        break
    except ConnectionError:
        time.sleep(0.2)
begun = time.perf_counter()
all_of(contents * 4)
print(time.perf_counter() - begun)
process.terminate()
"""
STEP = """
import sys, time
import numpy as np, torch
try:
    from gadolin.networks import build_classifier
    from gadolin.training.epoch import make_learner
except ImportError:  # before the layout of today
    from gadolin.network import build_classifier
    try:
        from gadolin.training.learner import make_learner
    except ImportError:
        from gadolin.train.learner import make_learner
try:
    from gadolin.recipe import named_recipe
    from gadolin.training.batches import Examples
    from gadolin.training.machine import Machine
    from gadolin.training.step import train_step
except ImportError:
    from gadolin.train.batches import Examples
    from gadolin.train.machine import Machine
    from gadolin.train.recipes import named_recipe
    from gadolin.train.step import train_step
torch.manual_seed(0)
recipe = named_recipe("default")
chance = np.random.default_rng(0)
examples = Examples(chance.integers(0, 255, (256, 256, 256), dtype=np.uint8), np.arange(256), np.arange(256) % 4)
learner = make_learner(build_classifier(recipe.network, 4), recipe, examples, fabric=Machine("cpu").fabric(), seed=0)
times = []
for number in range(12):
    batch = examples.take(chance.permutation(256)[:32])
    begun = time.perf_counter()
    train_step(learner, batch, size=160, number=number)
    times.append(time.perf_counter() - begun)
print(sorted(times[2:])[5])
"""
MEASURES = {
    "cold start: one picture by the command line": START,
    "one picture in a process, one thread: median": PREDICT,
    "service: 160 pictures by four clients": SERVICE,
    "training: one step of the default recipe": STEP,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--revision", default="d34e2e9")
    parser.add_argument("--pairs", type=int, default=9)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    paths = sorted(str(path) for path in arguments.pictures.rglob("*") if path.suffix.lower() in (".jpg", ".png"))
    with tempfile.TemporaryDirectory() as folder:
        archive = subprocess.run(
            ["git", "archive", arguments.revision, "src"], cwd=ROOT, capture_output=True, check=True
        ).stdout
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(folder, filter="data")
        sources = [Path(folder) / "src", ROOT / "src"]
        same, rows = compared(sources, arguments.pictures), []
        for name, code in MEASURES.items():
            pairs = [
                [seconds(source, code, paths) for source in turn(sources, number)] for number in range(arguments.pairs)
            ]
            pairs = [pair if number % 2 == 0 else pair[::-1] for number, pair in enumerate(pairs)]
            old, new = (statistics.median(pair[side] for pair in pairs) for side in (0, 1))
            ratio = statistics.median(pair[1] / pair[0] for pair in pairs)
            rows.append([name, f"{1000 * old:.1f}", f"{1000 * new:.1f}", f"{ratio:.2f}"])
            print(rows[-1], file=sys.stderr)
    head = ["measure", f"{arguments.revision}, ms", "now, ms", f"ratio, median of {arguments.pairs} pairs"]
    publish(
        "versions", "Speed compared with an earlier version", [*markdown(head, rows), "", same], write=arguments.write
    )


def turn(sources: list[Path], number: int) -> list[Path]:
    """Return the two versions, in alternating order."""
    return sources if number % 2 == 0 else sources[::-1]


def seconds(source: Path, code: str, paths: list[str]) -> float:
    done = subprocess.run(
        [sys.executable, "-c", code, *paths[:40]],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(done.stdout.split()[-1])


def compared(sources: list[Path], pictures: Path) -> str:
    """Return one sentence on how many predictions of the two versions are equal."""
    old, new = (answers(source, pictures) for source in sources)
    differ = [path for path in old.keys() | new.keys() if old.get(path) != new.get(path)]
    return (
        f"Of {len(old):,} pictures {len(old) - len(differ):,} have the same answer in both, to the last digit "
        f"(class, probabilities, abstention and its reason){': ' + ', '.join(differ[:5]) if differ else ''}."
    )


def answers(source: Path, pictures: Path) -> dict[str, object]:
    done = subprocess.run(
        [sys.executable, "-m", "gadolin", "predict", "--json", str(pictures)],
        env=os.environ | {"PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    document = json.loads(done.stdout)
    keys = ("label", "probabilities", "abstained", "reason_code", "model")
    return {one["path"]: {key: one[key] for key in keys} for one in document["predictions"]}
