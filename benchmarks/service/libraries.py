"""Native libraries in the sandbox against Gadolin's readers: damaged and whole files, speed, memory.

    python -m benchmarks run libraries [--libraries imagecodecs h5py ...] [--files 5000] [--slices 40] [--write]

Whole and damaged files are read by a library in a sandbox and by Gadolin's reader. Libraries that are not installed are
left out. Times are CPU times of both processes together, so that other load has little effect.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import imagecodecs
import numpy as np

from benchmarks.publish import markdown, publish
from benchmarks.service.library_readers import FIELDS, LIBRARIES
from benchmarks.speed.reading import head
from fuzz.damage import SEEDS, Seed, damaged
from gadolin.errors import DecoderError, GadolinError
from gadolin.phantoms.encode import mat_bytes
from gadolin.readers.jpeg_ls import decoder
from gadolin.readers.matlab.hdf5 import read_group
from gadolin.readers.matlab.mat5 import read_struct
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox

CPU_SECONDS = 0.25  # for a damaged file of 17 x 20 pixels
OWN = {"scipy": "MATLAB 5", "h5py": "MATLAB 7.3", "pyfive": "MATLAB 7.3"}  # all others: JPEG-LS
DAMAGE = [
    "format",
    "library",
    "both read, same pixels",
    "both read, other pixels",
    "only Gadolin reads",
    "only the library reads",
    "neither reads",
    "crashes",
    "hangs",
]
TIMES = [
    "Gadolin, ms",
    "library, ms",
    "library in the sandbox, ms",
    "library / sandbox",
    "Gadolin / sandbox",
    "start, s",
    "memory, MiB",
]
SPEED = ["format", "library", "bit-equal", *TIMES]
Read = Callable[[bytes], list[np.ndarray]]


@dataclass(frozen=True)
class Kind:
    """A format: files of 17 x 20 pixels to damage, whole slices of 512 x 512, and Gadolin's reader."""

    seeds: list[Seed]
    slices: list[bytes]
    own: Read


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", nargs="+", default=list(LIBRARIES), choices=list(LIBRARIES))
    parser.add_argument("--files", type=int, default=5000, help="damaged files for each library")
    parser.add_argument("--slices", type=int, default=40, help="whole slices for each library")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    made = kinds(arguments.slices)
    damage, speed = [], []
    for library in arguments.libraries:
        kind = made[OWN.get(library, "JPEG-LS")]
        sandbox = Sandbox(
            "benchmarks.service.library_readers:reading", {"library": library}, Bounds(seconds=60.0, files=10**9)
        )
        try:
            sandbox.run({}, kind.seeds[0].whole)
        except DecoderError as error:
            print(f"{library} is skipped: {error.code}")
            continue
        speed.append([OWN.get(library, "JPEG-LS"), library, *compared(kind, library, sandbox)])
        print(speed[-1], flush=True)
        damage.append([OWN.get(library, "JPEG-LS"), library, *fuzzed(kind, sandbox, arguments.files)])
        print(damage[-1], flush=True)
        sandbox.close()
    words = (
        f"{arguments.files:,} damaged files of 17 x 20 pixels for each library, read by the library in the sandbox (a "
        "process with limits) and by Gadolin's own reader. A hang: more than "
        f'{CPU_SECONDS:g} s of processor time. "ended": with one more end marker after each code stream, as Gadolin '
        "passes it on."
    )
    more = (
        f"{arguments.slices} undamaged slices of 512 x 512, with all fields of each file. Milliseconds of processor "
        "time for a slice, of the program and its sandbox together, and ratios: medians of turns in alternation. "
        "Start: seconds until the first reply. Memory: of the sandbox."
    )
    lines = [words, "", *markdown(DAMAGE, damage), "", more, "", *markdown(SPEED, speed)]
    publish("libraries", "Third-party decoders in a sandbox", lines, write=arguments.write)


def kinds(slices: int) -> dict[str, Kind]:
    random = np.random.default_rng(0)
    deep = [head(random) for _ in range(slices)]
    mats = {seed.name: seed for seed in SEEDS["mat"]()}
    mask = deep[0] > 2000
    found = {"JPEG-LS": Kind(streams(), [bytes(imagecodecs.jpegls_encode(each)) for each in deep], own_jpegls)}
    for version, read in (("7.3", read_group), ("5", read_struct)):
        files = [mat_bytes(each.astype(np.int16), mask, label=1, patient="1", version=version) for each in deep]
        seeds = [seed for each, seed in mats.items() if each.startswith(version + " ") and each != "5 plain"]
        found[f"MATLAB {version}"] = Kind(seeds, files, partial(own_mat, read))
    return found


def streams() -> list[Seed]:
    """Return JPEG-LS streams of 8, 12 and 16 bits; each once to be damaged as a whole, once in its scan alone."""
    random, seeds = np.random.default_rng(0), []
    for bits in (8, 12, 16):
        top, kind = 2**bits - 1, np.uint8 if bits == 8 else np.uint16
        pictures = {
            "ramp": np.add.outer(np.arange(20), np.arange(17)) * (top // 50),
            "noise": random.integers(0, top, (20, 17)),
            "smooth": np.clip(np.cumsum(random.integers(-3, 4, (20, 17)), 1) + top // 2, 0, top),
            "points": np.where(random.random((20, 17)) < 0.05, top, 0),
        }
        for name, picture in pictures.items():
            for near in (0, 2):
                stream = bytes(imagecodecs.jpegls_encode(picture.astype(kind), level=near))
                start = stream.index(b"\xff\xda") + 10
                seeds.append(Seed(f"{name} of {bits}, {near}", stream))
                seeds.append(Seed(f"{name} of {bits}, {near}, scan", stream[start:], stream[:start].__add__))
    return seeds


def own_jpegls(content: bytes) -> list[np.ndarray]:
    return [decoder.decode(content)]


def own_mat(read: Callable[..., tuple[dict[str, np.ndarray] | None, list[str]]], content: bytes) -> list[np.ndarray]:
    fields, _ = read(content, "cjdata", FIELDS)
    return [fields[name] for name in FIELDS if fields[name].dtype.kind != "U"]  # text has other shapes


def alike(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return len(one) == len(other) and all(
        a.shape == b.shape and a.dtype.kind == b.dtype.kind and np.array_equal(a, b, equal_nan=True)
        for a, b in zip(one, other, strict=True)
    )


def fuzzed(kind: Kind, sandbox: Sandbox, files: int) -> list[str]:
    """Return the counts of outcomes on damaged files, in the order of DAMAGE."""
    tally: Counter[str] = Counter()
    for number in range(files):
        content = damaged(kind.seeds, number)[1]
        try:
            own = kind.own(content)
            if kind.own is own_jpegls and own[0].shape != (20, 17):
                own = None  # the reader refuses a header with another size earlier
        except Exception:  # noqa: BLE001 -- the calling readers turn any exception into one error
            own = None
        try:
            theirs = list(sandbox.run({}, content, cpu_seconds=CPU_SECONDS).arrays)
            if kind.own is own_jpegls and theirs[0].shape != (20, 17):
                theirs = None
        except DecoderError as error:
            tally[error.code] += 1
            continue
        except GadolinError:
            theirs = None
        if own is None or theirs is None:
            tally["neither" if own is theirs else "theirs" if own is None else "own"] += 1
        else:
            tally["alike" if alike(own, theirs) else "differ"] += 1
    order = ("alike", "differ", "own", "theirs", "neither", "decoder_died", "decoder_too_slow")
    return [f"{tally[each]:,}" for each in order]


def compared(kind: Kind, library: str, sandbox: Sandbox) -> list[str]:
    """Return the cells of SPEED: equal slices, times by three ways, start time and memory."""
    bare = LIBRARIES[library]()
    ways = {"own": kind.own, "bare": bare, "sandbox": lambda content: list(sandbox.run({}, content).arrays)}
    times: dict[str, list[float]] = {name: [] for name in ways}
    equal = 0
    for number, content in enumerate(kind.slices):
        results = {}
        for name in sorted(ways, reverse=bool(number % 2)):
            begin = spent(sandbox)
            results[name] = ways[name](content)
            times[name].append(1000 * (spent(sandbox) - begin))
        equal += alike(results["own"], results["sandbox"])
    ratios = [
        statistics.median(a / b for a, b in zip(times[name], times["sandbox"], strict=True)) for name in ("bare", "own")
    ]
    resident = next(
        line for line in Path(f"/proc/{sandbox.pid}/status").read_text().splitlines() if line.startswith("VmRSS")
    )
    sandbox.close()
    begin = time.perf_counter()
    sandbox.run({}, kind.seeds[0].whole)
    start = time.perf_counter() - begin
    medians = [statistics.median(times[name]) for name in ("own", "bare", "sandbox")]
    return [
        f"{equal} of {len(kind.slices)}",
        *(f"{each:.1f}" for each in medians),
        *(f"{each:.2f}" for each in ratios),
        f"{start:.2f}",
        f"{int(resident.split()[1]) / 1024:.0f}",
    ]


def spent(sandbox: Sandbox) -> float:
    """Return the CPU seconds of this process and its sandbox."""
    inside = int(Path(f"/proc/{sandbox.pid}/schedstat").read_text().split()[0]) / 1e9
    return time.process_time() + inside
