"""Odd folder trees through ``scan``: what is taken, what is reported, and whether anything is lost or counted twice.

    python benchmarks/fuzz_folders.py [--trees 20000] [--seed 0] [--write]

A tree's number and the seed decide what it holds: ``--only 1234`` makes that one again and shows the answer. All trees
go through one process, which drops root's rights first, since root may enter everything. A finding is an exception
that is no GadolinError, a file that was made and is neither a record, nor skipped, nor omitted (nor in a folder that is
reported as one that could not be entered), or one that is counted twice.
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

from folder_trees import Tree, content_pool, grow, take_down
from gadolin.datasets import Scan, scan
from gadolin.errors import GadolinError, printable
from gadolin.files.folder_walk import describe
from publish import markdown, publish

NOBODY = 65534
CLOSED = ("cannot_enter", "cannot_open", "hidden", "housekeeping")  # such a folder accounts for everything in it
FORK = multiprocessing.get_context("fork")


@dataclass
class Tally:
    """What came of the trees: how many were answered or refused, where their files went, and the findings."""

    trees: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    features: Counter[str] = field(default_factory=Counter)
    findings: dict[int, str] = field(default_factory=dict)
    slowest: tuple[float, int] = (0.0, -1)
    seconds: float = 0.0
    peak: int = 0  # KiB above the start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trees", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="make the tree of this number alone and show the answer")
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
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
    publish("fuzz-folders", "Odd folders", report(tally, arguments.seed), write=arguments.write)


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
        f"Odd folder trees through `scan` in one process without root's rights, seed {seed}: {features}. "
        "Findings, that is crashes, files that are not counted in the answer, or counted twice: "
        f"**{len(tally.findings)}**. "
        f"{tally.trees['made'] / tally.seconds:,.0f} trees a second with making and removing them, the slowest scan "
        f"{1000 * tally.slowest[0]:.0f} ms, {tally.peak / 1024:.0f} MiB above the start."
    )
    rows = markdown(head, [[f"{each:,}" for each in counts]])
    return [
        words,
        "",
        *rows,
        "",
        f"Why files were not taken: {codes}.",
        "",
        f"Refused at first, and scanned again with slices where they belong and without a broken table: {refused}.",
    ]


def work(folder: Path, numbers: range, arguments: argparse.Namespace, answers: Connection) -> None:
    """Scan all trees in this process, as nobody; send the tally."""
    logging.disable()
    warnings.simplefilter("ignore")
    os.environ["GADOLIN_PATIENT_KEY"] = str(folder / "patients.key")
    tally, pool = Tally(), content_pool(folder / "pool")
    scan(folder)  # so that all is imported while the rights to read it are there
    with contextlib.suppress(GadolinError):
        (folder / "manifest.csv").touch()
        scan(folder)
    (folder / "manifest.csv").unlink()
    printable("\0")  # its codec is imported now, while the interpreter's folder may be entered
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
    """Scan a tree and note what came of it; a refused one is scanned again, mended."""
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
        except BaseException as error:  # noqa: BLE001  # whatever it is, it is a finding
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
    """Return what is wrong with the accounts of a scan, or an empty string."""
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
    told = found.as_json()
    json.dumps(told)
    for failures, counts in ((found.errors, told["errors_by_code"]), (found.left_out, told["left_out_by_code"])):
        if sum(counts.values()) != len(failures) or bool(describe("left out", failures)) != bool(failures):
            return "the counts by code do not add up"
    return ""


def key(path: str) -> tuple[str, str]:
    """Return what a path is known by, whichever links lead to its folder."""
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


if __name__ == "__main__":
    main()
