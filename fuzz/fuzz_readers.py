"""Damaged files through every reader: each must be read or refused.

    python -m benchmarks run fuzz_readers [--readers raster dicom nifti mat] [--files 50000] [--sandboxed] [--write]

A file depends on its number and the seed alone: ``--readers mat --only 1234`` makes and reads that file in this
process. Files are read in child processes with bounded memory and time; with ``--sandboxed`` each child runs the reader
in the package's sandbox (for libraries in the sandbox see ``libraries``). Any outcome but slices of finite values or a
ReadError of one line is a finding; its bytes are stored in a temporary folder.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import resource
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from traceback import extract_tb

import numpy as np

from benchmarks.publish import markdown, publish
from fuzz.damage import SEEDS, Seed, damaged
from gadolin.errors import GadolinError, ReadError
from gadolin.readers import open_bytes
from gadolin.readers.sandbox.child import Handle
from gadolin.readers.sandbox.messages import Message
from gadolin.readers.sandbox.sandbox import Bounds, Sandbox

FORK = multiprocessing.get_context("fork")
SECONDS = 5.0  # limit for one file
MEMORY = 2 * 1024**3  # bytes above the memory of a child at its start
BATCH = 500  # files per child
MOST_SLICES = 8
SANDBOX = Sandbox("fuzz.fuzz_readers:reading", bounds=Bounds(MEMORY, SECONDS))
READ, REFUSED = "read", "refused"


@dataclass
class Tally:
    """Outcomes of one reader: counts, findings by file number, the slowest file and the peak memory."""

    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    peak: tuple[int, int] = (0, -1)  # KiB above the start of a child
    seconds: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--readers", nargs="+", default=list(SEEDS), choices=list(SEEDS))
    parser.add_argument("--files", type=int, default=50_000, help="files for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--children", type=int, default=2)
    parser.add_argument("--sandboxed", action="store_true", help="run the readers in the package's sandbox")
    parser.add_argument("--only", type=int, help="read only the file of this number, in this process")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    quiet()
    if arguments.only is not None:
        name, content = damaged(SEEDS[arguments.readers[0]](), arguments.only, arguments.seed)
        print(f"{name}, {len(content)} bytes: {outcome(content)}")
        return
    folder, rows = Path(tempfile.mkdtemp(prefix="findings-")), []
    for reader in arguments.readers:
        seeds = SEEDS[reader]()
        assert {outcome(each.whole) for each in seeds} == {READ}, (
            "a seed is not read"
        )  # also imports everything before the fork
        read = read_sandboxed if arguments.sandboxed else outcome
        tally = fuzz(seeds, arguments.files, arguments.seed, arguments.children, read)
        store_findings(tally, seeds, arguments.seed, folder / reader)
        rows.append(row(reader, seeds, tally))
        print(rows[-1], f"slowest {tally.slowest}, peak {tally.peak}", flush=True)
    head = ["reader", "kinds", "files", "read", "refused", "findings", "files/s", "slowest, s", "memory, MiB"]
    words = (
        f"Damaged files of 17 x 20 pixels, seed {arguments.seed}. Each must either be read, with finite numbers in "
        f"every slice, or be refused with a message of one line. A crash, another exception, more than {SECONDS:.0f} "
        f"s or more than {MEMORY >> 20:,} MiB would be a finding. Whether the values that are read are correct is not "
        "checked. Kinds: the valid files that were damaged. Memory: the most that the reading process needed above "
        "its start."
    )
    publish("fuzz", "Damaged files", [words, "", *markdown(head, rows)], write=arguments.write)


def row(reader: str, seeds: list[Seed], tally: Tally) -> list[str]:
    files = sum(tally.outcomes.values())
    counts = [files, tally.outcomes[READ], tally.outcomes[REFUSED], len(tally.findings), files / tally.seconds]
    sizes = [f"{tally.slowest[0]:.2f}", f"{tally.peak[0] / 1024:.0f}"]
    return [reader, str(len(seeds)), *(f"{each:,.0f}" for each in counts), *sizes]


def store_findings(tally: Tally, seeds: list[Seed], seed: int, folder: Path) -> None:
    """Write the bytes of every finding and print the findings, grouped by kind."""
    alike: dict[str, list[int]] = {}
    for number, what in sorted(tally.findings.items()):
        alike.setdefault(what, []).append(number)
    for what, numbers in sorted(alike.items(), key=lambda item: -len(item[1])):
        folder.mkdir(parents=True, exist_ok=True)
        for number in numbers:
            (folder / str(number)).write_bytes(damaged(seeds, number, seed)[1])
        name = damaged(seeds, numbers[0], seed)[0]
        print(
            f"FINDING x{len(numbers)}: {what}; seed {seed}, number {numbers[0]} ({name}) and {numbers[1:6]} in {folder}"
        )


def fuzz(seeds: list[Seed], files: int, seed: int, children: int, read: Callable[[bytes], str] | None = None) -> Tally:
    """Read all files in child processes; a child that dies or exceeds the time limit is replaced."""
    tally = Tally()
    batches = [(start, min(start + BATCH, files)) for start in range(0, files, BATCH)][::-1]
    busy: dict[Connection, Child] = {}
    began = time.perf_counter()
    while batches or busy:
        while batches and len(busy) < children:
            child = Child(seeds, seed, *batches.pop(), read or outcome)
            busy[child.answers] = child
        ready = wait(list(busy), timeout=0.5)
        for answers, child in list(busy.items()):
            over = child.listen(tally) if answers in ready else child.watch(tally)
            if over:
                del busy[answers]
                if child.number < child.stop:
                    batches.append((child.number, child.stop))
    tally.seconds = time.perf_counter() - began
    return tally


class Child:
    """A process that reads a range of files; ``number`` is the current file."""

    def __init__(self, seeds: list[Seed], seed: int, start: int, stop: int, read: Callable[[bytes], str]) -> None:
        """Start the process."""
        self.number, self.stop, self.since = start, stop, time.monotonic()
        self.answers, theirs = FORK.Pipe(duplex=False)
        self.process = FORK.Process(target=read_range, args=(seeds, seed, (start, stop), theirs, read), daemon=True)
        self.process.start()
        theirs.close()

    def listen(self, tally: Tally) -> bool:
        """Receive the outcomes of the child; return whether it has ended."""
        try:
            while self.answers.poll():
                what, seconds, peak = self.answers.recv()
                self._note(tally, what, seconds, peak)
        except EOFError:
            self.process.join()
            if self.number < self.stop:
                self._note(tally, f"the process died with {self.process.exitcode}", 0.0, 0)
            return True
        return False

    def watch(self, tally: Tally) -> bool:
        """Kill the child if its file exceeds the time limit; return whether it was killed."""
        if time.monotonic() - self.since < SECONDS or self.number >= self.stop:
            return False
        self.process.kill()
        self.process.join()
        self._note(tally, f"more than {SECONDS} s", SECONDS, 0)
        return True

    def _note(self, tally: Tally, what: str, seconds: float, peak: int) -> None:
        tally.outcomes[what] += 1
        if what not in (READ, REFUSED):
            tally.findings[self.number] = what
        tally.slowest = max(tally.slowest, (seconds, self.number))
        if peak > tally.peak[0]:
            tally.peak = (peak, self.number)
        self.number, self.since = self.number + 1, time.monotonic()


def read_range(
    seeds: list[Seed], seed: int, numbers: tuple[int, int], answers: Connection, read: Callable[[bytes], str]
) -> None:
    """Read a range of files in this process with bounded memory; send the outcome of each."""
    quiet()
    mapped = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (mapped + MEMORY, mapped + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for number in range(*numbers):
        content = damaged(seeds, number, seed)[1]
        start = time.perf_counter()
        what = read(content)
        seconds = time.perf_counter() - start
        answers.send((what, seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin))


def read_sandboxed(content: bytes) -> str:
    """Return the outcome of a file that is read in the package's sandbox; the sandbox must survive it."""
    try:
        return str(SANDBOX.run({}, content).facts["outcome"])
    except GadolinError as error:
        return f"{error.code} in the sandbox"


def reading(_settings: dict[str, object]) -> Handle:
    """Return the request handler of the sandbox."""
    return lambda _facts, content: Message({"outcome": outcome(content)})


def outcome(content: bytes) -> str:
    """Open a file, decode its first slices and outline; return READ, REFUSED or a description of the finding."""
    try:
        opened = open_bytes(content)
        if opened.omit:
            return REFUSED if "\n" not in str(opened.omit) else "an omission of several lines"
        for number in range(min(opened.slices, MOST_SLICES)):
            pixels = opened.decode(number).pixels
            if (
                pixels.dtype != np.float32
                or pixels.ndim != 2
                or min(pixels.shape) < 16
                or not np.isfinite(pixels).all()
            ):
                return f"pixels of {pixels.dtype} and {pixels.ndim} dimensions, or not finite"
        if opened.outline is not None and opened.outline(0).shape != pixels.shape:
            return "an outline of another shape"
    except ReadError as error:
        if len(str(error).splitlines()) != 1:
            return "a ReadError of several lines"
        return "out of memory" if _ran_out(error) else REFUSED
    except BaseException as error:  # noqa: BLE001  # any other exception is a finding
        last = extract_tb(error.__traceback__)[-1]
        return f"{type(error).__name__} in {Path(last.filename).name}:{last.name}: {str(error)[:60]}"
    return READ


def _ran_out(error: BaseException | None) -> bool:
    """Whether a MemoryError is the cause of an error, directly or indirectly."""
    return error is not None and (isinstance(error, MemoryError) or _ran_out(error.__cause__))


def quiet() -> None:
    logging.disable()
    warnings.simplefilter("ignore")
