"""Damaged uploads to a running service: statuses, latency and memory.

    python -m benchmarks run fuzz_serve [--model MODEL] [--uploads 100000] [--seed 0] [--write]

Most uploads are damaged files of every format in a valid form; some are whole or damaged archives of them, or damaged
forms. A status of 500 or above except 503 is a finding, and so is a response later than the time limit of a decoder;
the numbers of the findings are printed.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.publish import markdown, publish
from benchmarks.service.serve import answered, decoders, resident, service
from fuzz.damage import SEEDS, Seed, damaged
from gadolin.models.bundle import SHIPPED

CLIENTS = 8
LATE = 25.0  # seconds; the limit of a decoder is 20
BOUNDARY = b"fuzz"
NAMES = (
    b'filename="a.png"',
    b'filename="../../etc/passwd"',
    b'filename="\xff\xfe"',
    b'filename=""',
    b'filename="%22%0d%0a"',
    b'filename="' + b"x" * 3000 + b'"',
    b'filename=""; drop"',
    b'filename="a\\',
    b"filename=a;;=;b",
    b"filename*=UTF-8''%E8%84%91%00%ZZ.png",
    b"filename*=UTF-8''",
    b"filename*=EBCDIC''%81",
    b"filename*0=a; filename*1=b",
)
PATHS = (b"/v1/predict", b"/v1/predict", b"/v1/predict", b"/v1/explain")


@dataclass
class Tally:
    """Responses: the count of each status, the slowest response, and the findings by upload number."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest: tuple[float, int] = (0.0, -1)
    findings: dict[int, str] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=SHIPPED)
    parser.add_argument("--uploads", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    seeds = [seed for make in SEEDS.values() for seed in make()]
    tally, held = Tally(), []
    begun = time.perf_counter()
    with service(arguments.model) as running:
        for part in range(10):
            numbers = range(part * arguments.uploads // 10, (part + 1) * arguments.uploads // 10)
            asyncio.run(send(running.port, seeds, arguments.seed, numbers, tally))
            held.append(sum(resident(pid) for pid in (running.process.pid, *decoders(running.process.pid))))
            print(
                part + 1,
                dict(tally.statuses),
                f"{held[-1]:.0f} MiB",
                f"{time.perf_counter() - begun:.0f} s",
                flush=True,
            )
    counts = ", ".join(f"{status}: {count:,}" for status, count in sorted(tally.statuses.items()))
    rows = [
        ["uploads", f"{sum(tally.statuses.values()):,} of {len(seeds)} kinds of file, seed {arguments.seed}"],
        ["statuses", counts],
        ["slowest answer", f"{tally.slowest[0]:.2f} s"],
        ["memory after the first tenth, and the last", f"{held[0]:.0f} and {held[-1]:.0f} MiB"],
        ["findings", str(len(tally.findings))],
    ]
    for number, what in list(tally.findings.items())[:20]:
        print(f"FINDING {what}: number {number}")
    publish("fuzz-serve", "Damaged uploads", markdown(["what", "measured"], rows), write=arguments.write)


async def send(port: int, seeds: list[Seed], seed: int, numbers: range, tally: Tally) -> None:
    """Send a range of uploads from several clients."""
    waiting = iter(numbers)

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for number in waiting:
            begun = time.perf_counter()
            try:
                writer.write(upload(seeds, number, seed))
                status = await asyncio.wait_for(answered(reader), LATE)
            except (OSError, EOFError, TimeoutError, asyncio.IncompleteReadError) as error:
                tally.findings[number] = f"no answer ({type(error).__name__})"
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                continue
            tally.statuses[status] += 1
            tally.slowest = max(tally.slowest, (time.perf_counter() - begun, number))
            if status >= 500 and status != 503:
                tally.findings[number] = f"status {status}"
            if status in (400, 413):  # the service may close the connection
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.close()

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def upload(seeds: list[Seed], number: int, seed: int) -> bytes:
    """Return a whole HTTP request, which depends on its number and the seed alone."""
    random = np.random.default_rng((seed, number, 1))
    content = damaged(seeds, number, seed)[1]
    kind = random.random()
    if kind < 0.08:
        content = archive(content, seeds[number % len(seeds)].whole)
        content = spoilt(content, random) if kind < 0.04 else content
    body = form(content, random)
    if kind > 0.92:
        body = spoilt(body, random)
    head = (
        b"POST " + PATHS[number % len(PATHS)] + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        b"Content-Type: multipart/form-data; boundary=" + BOUNDARY + b"\r\n"
        b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n"
    )
    return head + body


def form(content: bytes, random: np.random.Generator) -> bytes:
    name = NAMES[int(random.integers(len(NAMES)))]
    fields = b""
    if random.random() < 0.2:
        key, value = random.choice([b"frame", b"plane", b"include", b"method", b"samples", b"class"]), random.bytes(6)
        fields = b"--" + BOUNDARY + b'\r\nContent-Disposition: form-data; name="' + key + b'"\r\n\r\n' + value + b"\r\n"
    file = b'\r\nContent-Disposition: form-data; name="files"; ' + name + b"\r\n\r\n"
    return fields + b"--" + BOUNDARY + file + content + b"\r\n--" + BOUNDARY + b"--\r\n"


def archive(*contents: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for number, content in enumerate(contents):
            made.writestr(f"{number}.dcm", content)
    return out.getvalue()


def spoilt(content: bytes, random: np.random.Generator) -> bytes:
    """Return the bytes with a few of them changed, or cut short."""
    raw = bytearray(content)
    for place in random.integers(0, len(raw), 4):
        raw[int(place)] = int(random.integers(256))
    return bytes(raw[: int(random.integers(1, len(raw)))]) if random.random() < 0.3 else bytes(raw)
