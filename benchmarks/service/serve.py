"""The service under load: throughput and latency against one process, overload, recovery, memory.

    python -m benchmarks run serve DATA [--model MODEL] [--requests 20000] [--parts load explained overload memory]
        [--before SOURCE] [--write]

DATA is a folder of slices. The service and the clients are separate processes on this computer. Each client sends one
slice after another over a persistent connection. SOURCE is the ``src`` folder of another version, which alternates with
this one in the part ``explained``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.publish import markdown, publish
from gadolin.models.bundle import SHIPPED
from gadolin.models.predictor import Predictor
from gadolin.workflows.predict_files import expand, predict_files

PARTS = ("load", "explained", "overload", "memory")
CLIENTS = (1, 8, 64)
SECONDS = 10.0
LIME = {"method": "lime", "samples": "1000"}


class Sent(NamedTuple):
    """Responses to clients: seconds of each response with status 200, the count of each status, and total seconds."""

    seconds: list[float]
    statuses: Counter[int]
    elapsed: float

    @property
    def rate(self) -> float:
        """Successful responses per second."""
        return len(self.seconds) / self.elapsed


class Service(NamedTuple):
    """A running service: process, port, and seconds until it was ready."""

    process: subprocess.Popen[str]
    port: int
    start: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--requests", type=int, default=20_000)
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--before", type=Path, help="src folder of another version")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    files = list(expand([str(arguments.data)]).files)[:100]
    messages = [message(Path(path).read_bytes()) for path in files]
    if "load" in arguments.parts:
        lines = load(arguments.model, files, messages)
        publish("serve-load", "The service compared with the model in one process", lines, write=arguments.write)
    if "explained" in arguments.parts:
        asks = [message(Path(path).read_bytes(), "/v1/explain", LIME) for path in files[:4]]
        lines = explained(arguments.model, messages, asks, arguments.before)
        publish("serve-explained", "Predictions while slices are explained", lines, write=arguments.write)
    if "overload" in arguments.parts:
        lines = overload(arguments.model, messages)
        publish("serve-overload", "The service under overload", lines, write=arguments.write)
    if "memory" in arguments.parts:
        lines = memory(arguments.model, messages, arguments.requests)
        publish("serve-memory", "Memory of the service", lines, write=arguments.write)


@contextmanager
def service(model: Path, *options: str, source: Path | None = None) -> Iterator[Service]:
    """Run the service; ``source`` is the src folder of another version, None for this one."""
    words = [sys.executable, "-m", "gadolin", "serve", "--model", str(model), "--port", "0", "--no-browser", *options]
    begun = time.perf_counter()
    variables = os.environ | ({} if source is None else {"PYTHONPATH": str(source)})
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=variables) as process:
        assert process.stderr is not None, "stderr is a pipe"
        port = 0
        while not port:
            line = process.stderr.readline()
            port = int(line.rsplit(":", 1)[1].strip("/ \n")) if "answers at" in line else 0
        threading.Thread(target=process.stderr.read, daemon=True).start()  # a full pipe would stop the service
        while not ready(port):
            time.sleep(0.01)
        running = Service(process, port, time.perf_counter() - begun)
        asyncio.run(clients(port, [message(b"warm")], 1, seconds=0.5))
        try:
            yield running
        finally:
            process.send_signal(signal.SIGINT)  # else leaving the block would wait for ever


def ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def message(content: bytes, path: str = "/v1/predict", fields: Mapping[str, str] | None = None) -> bytes:
    """Return a whole HTTP request with one file and form fields."""
    first = "".join(
        f'--xx\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (fields or {}).items()
    )
    head = b'--xx\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    body = first.encode() + head + content + b"\r\n--xx--\r\n"
    lines = (
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: multipart/form-data; boundary=xx",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def clients(port: int, messages: list[bytes], count: int, *, seconds: float = 0.0, requests: int = 0) -> Sent:
    """Let ``count`` clients send requests for some seconds, or ``requests`` in total."""
    sent = Sent([], Counter(), 0.0)
    left = requests
    begun = time.perf_counter()

    async def client(number: int) -> None:
        nonlocal left
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turn = number
        while (time.perf_counter() - begun < seconds) if not requests else left > 0:
            left -= 1
            sent_at = time.perf_counter()
            writer.write(messages[turn % len(messages)])
            status = await answered(reader)
            sent.statuses[status] += 1
            if status == 200:
                sent.seconds.append(time.perf_counter() - sent_at)
            turn += count
        writer.close()

    await asyncio.gather(*(client(number) for number in range(count)))
    return sent._replace(elapsed=time.perf_counter() - begun)


async def answered(reader: asyncio.StreamReader) -> int:
    """Read one response and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    await reader.readexactly(length)
    return int(head.split(b" ", 2)[1])


def load(model: Path, files: list[str], messages: list[bytes]) -> list[str]:
    """Return throughput and latency by number of clients, in alternation with the model in one process."""
    predictor = Predictor.load(model)
    alone, rows = [], []
    with service(model) as running:
        for count in CLIENTS:
            measure = one_by_one if count == 1 else in_process
            alone.append(measure(predictor, files))
            sent = asyncio.run(clients(running.port, messages, count, seconds=SECONDS))
            alone.append(measure(predictor, files))
            pair = statistics.fmean(alone[-2:])
            waits = (f"{1000 * float(np.percentile(sent.seconds, share)):.0f}" for share in (50, 99))
            rows.append([str(count), f"{sent.rate:.1f}", *waits, f"{pair:.1f}", f"{sent.rate / pair:.2f}"])
        start = running.start
    head = ["clients", "requests/s", "p50 ms", "p99 ms", "in one process, slices/s", "ratio"]
    return [
        *markdown(head, rows),
        "",
        f"From the command to the first response: {start:.2f} s. Each client waits for a response before its next "
        "request. The ratio compares with one process that predicts the same files: for one client one file after the "
        "other, for several clients all files in one call, which reads files while it predicts others.",
    ]


def explained(model: Path, messages: list[bytes], asks: list[bytes], before: Path | None) -> list[str]:
    """Return the latency of predictions, alone and while LIME explains a slice with 1,000 samples."""
    versions = {"this version": None} if before is None else {"before": before, "this version": None}
    rows = []
    with ExitStack() as running:
        ports = {name: running.enter_context(service(model, source=source)).port for name, source in versions.items()}
        for count, explanations in ((1, 0), (8, 0), (1, 1), (8, 1)):
            turns = [  # alternating, because other load varies
                (name, *asyncio.run(beside(port, messages, count, asks[:explanations])))
                for _ in range(1 if explanations else 3)
                for name, port in ports.items()
            ]
            for name in ports:
                sent = together([one for each, one, _ in turns if each == name])
                times = [seconds for each, _, found in turns if each == name for seconds in found]
                waits = [f"{1000 * float(np.percentile(sent.seconds, share)):.0f}" for share in (50, 95, 100)]
                lime = f"{statistics.fmean(times):.1f}" if times else ""
                rows.append([name, str(explanations), str(count), f"{sent.rate:.1f}", *waits, lime])
                print(*rows[-1], flush=True)
    head = ["version", "explanations", "clients", "predictions/s", "p50 ms", "p95 ms", "longest ms", "LIME, s"]
    return markdown(head, rows)


async def beside(port: int, messages: list[bytes], count: int, explanations: list[bytes]) -> tuple[Sent, list[float]]:
    """Let clients send predictions while explanations run; without explanations, for some seconds."""
    if not explanations:
        return await clients(port, messages, count, seconds=SECONDS / 2), []
    running = [asyncio.create_task(seconds_of(port, each)) for each in explanations]
    await asyncio.sleep(0.5)
    parts = []
    while not any(one.done() for one in running):
        parts.append(await clients(port, messages, count, seconds=1.0))
    return together(parts), await asyncio.gather(*running)


def together(parts: list[Sent]) -> Sent:
    """Return the responses of several periods as one."""
    seconds = [each for part in parts for each in part.seconds]
    statuses = sum((part.statuses for part in parts), Counter[int]())
    return Sent(seconds, statuses, sum(part.elapsed for part in parts))


async def seconds_of(port: int, request: bytes) -> float:
    """Return the seconds of one request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    begun = time.perf_counter()
    writer.write(request)
    status = await answered(reader)
    writer.close()
    assert status == 200, f"the service answered {status}"
    return time.perf_counter() - begun


def in_process(predictor: Predictor, files: list[str]) -> float:
    begun = time.perf_counter()
    for answer in predict_files(predictor, files):
        json.dumps(answer.as_json())
    return len(files) / (time.perf_counter() - begun)


def one_by_one(predictor: Predictor, files: list[str]) -> float:
    begun = time.perf_counter()
    for path in files:
        in_process(predictor, [path])
    return len(files) / (time.perf_counter() - begun)


def overload(model: Path, messages: list[bytes]) -> list[str]:
    """Return the statuses under overload, and the throughput before and after it."""
    rows = []
    with service(model, "--max-queue", "8") as running:
        for name, count in (("before", 4), ("64 clients, a queue of 8", 64), ("after", 4)):
            rows.append(overload_row(name, asyncio.run(clients(running.port, messages, count, seconds=SECONDS / 2))))
        os.kill(decoders(running.process.pid)[0], signal.SIGKILL)
        rows.append(
            overload_row("a decoder was killed", asyncio.run(clients(running.port, messages, 4, seconds=SECONDS / 2)))
        )
        rows.append(overload_row("after that", asyncio.run(clients(running.port, messages, 4, seconds=SECONDS / 2))))
    return markdown(["when", "answered/s", "statuses"], rows)


def overload_row(name: str, sent: Sent) -> list[str]:
    return [
        name,
        f"{sent.rate:.1f}",
        ", ".join(f"{status}: {count:,}" for status, count in sorted(sent.statuses.items())),
    ]


def memory(model: Path, messages: list[bytes], requests: int) -> list[str]:
    """Return the memory of the service and its decoders after each tenth of many requests."""
    readings = []
    with service(model) as running:
        for _ in range(10):
            asyncio.run(clients(running.port, messages, 8, requests=requests // 10))
            pids = [running.process.pid, *decoders(running.process.pid)]
            readings.append(sum(resident(pid) for pid in pids))
    rows = [[f"{(part + 1) * requests // 10:,}", f"{value:.0f}"] for part, value in enumerate(readings)]
    growth = readings[-1] - readings[1]
    return [*markdown(["requests", "MiB"], rows), "", f"Between the second tenth and the last: {growth:+.0f} MiB."]


def decoders(pid: int) -> list[int]:
    """Return the decoder processes of a service: its children, by falling memory."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sorted((int(each) for each in children), key=resident, reverse=True)


def resident(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
