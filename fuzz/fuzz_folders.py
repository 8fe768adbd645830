"""Odd folder trees through ``scan``: every file must be counted exactly once.

    python -m benchmarks run fuzz_folders [--trees 20000] [--seed 0] [--write]

A tree depends on its number and the seed alone: ``--only 1234`` makes that tree and prints the scan. One process scans
all trees; it drops root's rights first, since root may enter every folder. A finding is an exception other than
GadolinError, a file that is neither a record nor an error nor left out (nor in a folder that is reported as closed), or
a file that is counted twice.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import multiprocessing
import os
import resource
import tempfile
import time
import warnings
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from traceback import extract_tb

from benchmarks.publish import markdown, publish
from fuzz.folder_trees import Tree, content_pool, grow, take_down
from gadolin.datasets import Scan, scan
from gadolin.errors import GadolinError, printable
from gadolin.files.folder_walk import describe

NOBODY = 65534
CLOSED = ("cannot_enter", "cannot_open", "hidden", "housekeeping")  # such a folder accounts for all files in it
FORK = multiprocessing.get_context("fork")


@dataclass
class Tally:
    """Outcomes: trees scanned or refused, files by category, and the findings by tree number."""

    trees: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    findings: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    seconds: float = 0.0
    peak: int = 0  # KiB above the memory at the start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trees", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="scan only the tree of this number and print the result")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    numbers = range(arguments.trees) if arguments.only is None else range(arguments.only, arguments.only + 1)
    with tempfile.TemporaryDirectory(prefix="trees-") as folder:
        if os.getuid() == 0:
            os.chown(folder, NOBODY, NOBODY)
        answers, theirs = FORK.Pipe(duplex=False)
        child = FORK.Process(target=work, args=(Path(folder), numbers, arguments, theirs), daemon=True)
        child.start()
        theirs.close()
        tally: Tally = answers.recv()
        child.join()
    for number, what in sorted(tally.findings.items())[:20]:
        print(f"FINDING in tree {number}: {what}")
    publish("fuzz-folders", "Unusual folders", report(tally, arguments.seed), write=arguments.write)


def report(tally: Tally, seed: int) -> list[str]:
    head = ["trees", "answered", "files made", "records", "errors", "left out", "in closed folders"]
    counts = [tally.trees["made"], tally.trees["answered"]]
    counts += [tally.files[each] for each in ("made", "record", "errors", "left_out", "closed")]
    features = ", ".join(f"{count:,} {what}" for what, count in tally.features.most_common())
    codes = ", ".join(f"`{code}` {count:,}" for code, count in tally.codes.most_common())
    refused = ", ".join(
        f"`{code}` {count:,}" for code, count in tally.trees.most_common() if code not in ("made", "answered")
    )
    words = (
        f"Random folder trees with unusual contents were scanned in one process without root's rights, seed {seed}. "
        f"Number of trees with each of them: {features}. A finding is a crash, a file that the scan does not count, or "
        f"one that it counts twice. Findings: **{len(tally.findings)}**. "
        f"{tally.trees['made'] / tally.seconds:,.0f} trees a second, including the time to make and remove them; the "
        f"slowest scan took {1000 * tally.slowest[0]:.0f} ms, and the process needed {tally.peak / 1024:.0f} MiB above "
        "its start."
    )
    rows = markdown(head, [[f"{each:,}" for each in counts]])
    return [
        words,
        "",
        *rows,
        "",
        "A tree is answered if its scan ends without an error; a scan counts a file as a record, an error, left out, "
        f"or in a folder that cannot be entered. Reasons of errors and of left-out files: {codes}.",
        "",
        "A tree that was refused was scanned again after a slice was added in a class folder, or broken tables were "
        f"removed. Reasons: {refused}.",
    ]


def work(folder: Path, numbers: range, arguments: argparse.Namespace, answers: Connection) -> None:
    """Scan all trees in this process as the user nobody; send the tally."""
    logging.disable()
    warnings.simplefilter("ignore")
    os.environ["GADOLIN_PATIENT_KEY"] = str(folder / "patients.key")
    tally, pool = Tally(), content_pool(folder / "pool")
    scan(folder)  # imports everything while the rights to read it are there
    with contextlib.suppress(GadolinError):
        (folder / "manifest.csv").touch()
        scan(folder)
    (folder / "manifest.csv").unlink()
    printable("\0")  # imports its codec for the same reason
    if os.getuid() == 0:
        for each in [*folder.rglob("*")]:
            os.chown(each, NOBODY, NOBODY, follow_symlinks=False)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
    start, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    for number in numbers:
        tree = grow(folder / f"tree-{number}", pool, f"{arguments.seed}:{number}")
        try:
            found = judged(tree, number, tally)
        finally:
            take_down(tree)
        if found is not None and arguments.only is not None:
            show(tree, found)
    tally.seconds = time.perf_counter() - began
    tally.peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start
    answers.send(tally)


def judged(tree: Tree, number: int, tally: Tally) -> Scan | None:
    """Scan a tree and count the outcome; a refused tree is repaired and scanned again."""
    tally.features.update(tree.features)
    tally.trees["made"] += 1
    for _ in range(4):
        begin = time.perf_counter()
        try:
            found = scan(tree.root)
        except GadolinError as error:
            if len(str(error).splitlines()) > 1 and not any("\n" in each for each in tree.made):
                tally.findings[number] = f"an error of several lines: {error.code}"
            tally.trees[error.code] += 1
            if tree.drop_tables() if error.code != "layout_unknown" else tree.add_slice():
                continue
            return None
        except BaseException as error:  # noqa: BLE001  # any other exception is a finding
            last = extract_tb(error.__traceback__)[-1]
            tally.findings[number] = f"{type(error).__name__} in {Path(last.filename).name}:{last.name}: {error}"
            tally.trees["crashed"] += 1
            return None
        tally.slowest = max(tally.slowest, (time.perf_counter() - begin, number))
        tally.trees["answered"] += 1
        if what := accounted(tree, found, tally):
            tally.findings[number] = what
        return found
    return None


def accounted(tree: Tree, found: Scan, tally: Tally) -> str:
    """Return the error in the counts of a scan, "" if there is none."""
    ways = [
        *(("record", str(path)) for path in dict.fromkeys(record.path for record in found.records)),
        *(("errors", one.path) for one in found.errors),
        *(("left_out", one.path) for one in found.left_out),
    ]
    keys = Counter(key(path) for _, path in ways)
    where = {key(path): what for what, path in ways}
    closed = {key(one.path) for one in (*found.errors, *found.left_out) if one.code in CLOSED}
    tally.codes.update(one.code for one in (*found.errors, *found.left_out))
    tally.files["made"] += len(tree.made)
    for path in tree.made:
        if (what := where.get(key(path))) is not None:
            tally.files[what] += 1
        elif any(key(str(each)) in closed for each in Path(path).parents):
            tally.files["closed"] += 1
        else:
            return f"{path!r} is not counted"
    if twice := [each for each, count in keys.items() if count > 1]:
        return f"{twice[0]!r} is counted twice"
    document = found.as_json()
    json.dumps(document)
    for failures, counts in (
        (found.errors, document["errors_by_code"]),
        (found.left_out, document["left_out_by_code"]),
    ):
        if sum(counts.values()) != len(failures) or bool(describe("left out", failures)) != bool(failures):
            return "the counts by code do not add up"
    return ""


def key(path: str) -> tuple[str, str]:
    """Return the identity of a path: its real folder and its name."""
    parent, name = os.path.split(path)
    return os.path.realpath(parent), name


def show(tree: Tree, found: Scan) -> None:
    for path in tree.made:
        print("made   ", repr(path))
    for record in found.records:
        print("record ", repr(record.name), record.split, record.label)
    for what, failures in (("errors", found.errors), ("left_out", found.left_out)):
        for one in failures:
            print(what, one.code, repr(one.path))
