"""The duplicate search against other tools, on real and planted duplicates, and its time by data size.

    python -m benchmarks run audit KAGGLE FIGSHARE [--peers PYTHON] [--parts kaggle planted growth] [--write]

KAGGLE holds ``Training`` and ``Testing``, FIGSHARE ``images/N.jpg`` and ``annotations.csv`` as for ``planted``.
``--peers`` is the path of a Python with imagededup, cleanvision and ImageHash. Each tool runs in a separate process.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import statistics
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import pairwise
from math import log
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.duplicates.planted import KINDS, TWICE
from benchmarks.measured import Cost, measured
from benchmarks.publish import markdown, publish, share

FOLDS = (2, 3, 4)  # the threshold was chosen on the others
THUMB = 48  # pixels
SAME_SLICE = 0.99  # correlation of thumbnails
NO_TUMOUR, UNKNOWN = -1, -2  # in place of the number of a slice
PROCESSES = Path(__file__).parents[1] / "processes"
PARTS = ("kaggle", "planted", "growth")
PEERS = {
    "imagededup-phash": "{}: PHash, distance at most 10 (its default)",
    "imagededup-dhash": "{}: DHash, distance at most 10 (its default)",
    "cleanvision": "{}: exact and near duplicates (its defaults)",
    "phash": "{}: phash, distance at most 10",
    "phash-mirrored": "{}: phash, mirror images too, distance at most 10",
}


class ToolOutput(NamedTuple):
    """Output of a tool: the images of a folder (N,), the pairs (P, 2) of duplicates, tool name and cost."""

    names: NDArray[np.str_]
    pairs: NDArray[np.int64]
    tool: str
    cost: Cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--peers", help="a Python with imagededup, cleanvision and ImageHash")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--runs", type=int, default=1, help="runs of each tool; seconds and memory are medians")
    parser.add_argument("--planted", type=int, default=600, help="slices to plant copies of")
    parser.add_argument("--growth", type=int, nargs="*", default=[10, 100], help="factors of the number of images")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    kaggle, figshare = arguments.kaggle.resolve(), arguments.figshare.resolve()
    tools = partial(every_tool, peers=arguments.peers, runs=arguments.runs)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if "kaggle" in arguments.parts:
            lines = on_kaggle(tools(kaggle), figshare_slices(kaggle, figshare))
            whole = [measured([*audit_command(kaggle), str(folder / f"cache{run}")]) for run in range(arguments.runs)]
            lines += ["", f"The whole `gadolin audit KAGGLE --json`, cold cache: {spent(medians(whole))}."]
            lines += conditions(arguments.runs, arguments.peers)
            publish(
                "audit-kaggle",
                "Duplicates in the Kaggle collection, compared with other tools",
                lines,
                write=arguments.write,
            )
        if "planted" in arguments.parts:
            plant(figshare, folder / "slices", arguments.planted)
            lines = on_planted(tools(folder / "slices"), arguments.planted)
            lines += conditions(arguments.runs, arguments.peers)
            publish("audit-planted", "Planted duplicates, compared with other tools", lines, write=arguments.write)
            shutil.rmtree(folder / "slices")
        if "growth" in arguments.parts:
            lines = growth(kaggle, folder, arguments.growth)
            publish("audit-growth", "Search time for larger collections", lines, write=arguments.write)


def audit_command(data: Path) -> list[str]:
    return [sys.executable, "-m", "gadolin", "audit", str(data), "--json", "--cache"]


def conditions(runs: int, peers: str | None) -> list[str]:
    many = "one run of each" if runs == 1 else f"medians of {runs} runs of each"
    lines = [
        "",
        f"Times (s) are from {many} tool. They begin when the tool is imported, for a whole command when it is "
        "started. Memory (MiB) is the peak of the largest process; each tool ran in processes of its own. ImageHash "
        "recommends no distance, so that of imagededup was used.",
    ]
    return lines if peers else [*lines[:1], "Without `--peers PYTHON`, other tools were left out.", *lines]


def every_tool(folder: Path, peers: str | None, runs: int) -> list[ToolOutput]:
    """Return the duplicates that each tool finds in a folder, Gadolin first."""
    commands = {"{}": [sys.executable, str(PROCESSES / "audit_gadolin.py"), "find"]}
    if peers is not None:
        commands |= {label: [peers, str(PROCESSES / "audit_peers.py"), tool] for tool, label in PEERS.items()}
    return [medial(label, command, folder, runs) for label, command in commands.items()]


def medial(label: str, command: list[str], folder: Path, runs: int) -> ToolOutput:
    """Run a tool; the pairs are those of its last run."""
    costs = []
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(temporary) / "named.npz"
        for _ in range(runs):
            memory = measured([*command, str(folder), str(out)]).mebibytes
            with np.load(out) as stored:
                names, pairs, tool = stored["names"], stored["pairs"], str(stored["tool"])
                costs.append(Cost(float(stored["seconds"]), memory))
    output = ToolOutput(names, pairs, label.format(tool), medians(costs))
    print(output.tool, len(pairs), "pairs", spent(output.cost), flush=True)
    return output


def medians(costs: list[Cost]) -> Cost:
    return Cost(*map(statistics.median, zip(*costs, strict=True)))


def spent(cost: Cost) -> str:
    return f"{cost.seconds:.0f} s, {cost.mebibytes:,.0f} MiB"


def figshare_slices(kaggle: Path, figshare: Path) -> dict[str, int]:
    """Return the Figshare slice that each Kaggle image shows, by relative path.

    It is the slice whose thumbnail, plain or mirrored, correlates above ``SAME_SLICE``.
    """
    paths, slices = sorted(path for path in kaggle.rglob("*") if path.is_file()), [*figshare.glob("images/*.jpg")]
    with ThreadPoolExecutor() as pool:
        queries, known = (np.stack(list(pool.map(thumbnail, some))) for some in (paths, slices))
    straight, mirrored = (
        some.reshape(len(queries), -1) @ known.reshape(len(known), -1).T for some in (queries, queries[..., ::-1])
    )
    alike = np.maximum(straight, mirrored)
    shows = {}
    for path, row in zip(paths, alike, strict=True):
        number = slices[row.argmax()].stem
        found = int(TWICE.get(number, number)) if row.max() > SAME_SLICE else UNKNOWN
        shows[path.relative_to(kaggle).as_posix()] = NO_TUMOUR if path.parent.name == "notumor" else found
    return shows


def thumbnail(path: Path) -> NDArray[np.float32]:
    """Return a thumbnail (THUMB, THUMB) float32 of mean 0 and norm 1."""
    picture = cv2.resize(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE), (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    centred = picture - picture.mean(dtype=np.float32)
    return centred / max(np.linalg.norm(centred), 1e-6)


def on_kaggle(every: list[ToolOutput], truth: dict[str, int]) -> list[str]:
    """Return the table of true pairs, and of Testing images with a duplicate in Training, that each tool finds."""
    counts = Counter(slice_ for slice_ in truth.values() if slice_ >= 0)
    true = sum(count * (count - 1) // 2 for count in counts.values())
    learned = {slice_ for name, slice_ in truth.items() if name.startswith("Training/") and slice_ >= 0}
    copied = {name for name, slice_ in truth.items() if name.startswith("Testing/") and slice_ in learned}
    table = []
    for output in every:
        shows = np.array([truth[str(name)] for name in output.names])
        tested = np.char.startswith(output.names, "Testing/")
        one, other = shows[output.pairs].T
        judged = (np.maximum(one, other) >= 0) & (np.minimum(one, other) != UNKNOWN)
        right = judged & (one == other)
        across = right & (tested[output.pairs].sum(axis=1) == 1)
        found = np.unique(output.pairs[across][tested[output.pairs[across]]])
        figures = [shared(right.sum(), true), shared(right.sum(), judged.sum()), shared(len(found), len(copied))]
        table.append([output.tool, *figures, f"{output.cost.seconds:.0f}", f"{output.cost.mebibytes:,.0f}"])
    head = [
        "tool",
        "recall of pairs (95 %)",
        "precision of pairs (95 %)",
        "copied Testing pictures found",
        "s",
        "MiB",
    ]
    tumours = sum(slice_ != NO_TUMOUR for slice_ in truth.values())
    return [
        f"Of Kaggle's {len(truth):,} pictures, {tumours:,} show a tumour. {counts.total():,} of these show a slice of "
        f"the Figshare collection: its thumbnail and that of the picture ({THUMB} x {THUMB} pixels, mirrored or not) "
        f"correlate above {SAME_SLICE}. Two pictures of the same Figshare slice are copies, which makes {true:,} "
        f"pairs; {len(copied)} Testing pictures have a copy in Training. A reported pair of such a picture and a "
        "picture without a tumour counts as wrong. Other pairs with a picture without a tumour, or with a tumour "
        "picture that shows no Figshare slice, are not judged.",
        "",
        *markdown(head, table),
    ]


def shared(part: int, whole: int) -> str:
    return share(int(part), int(whole)) if whole else "none reported"


def plant(figshare: Path, folder: Path, count: int) -> None:
    """Write the slices of ``FOLDS``, and one copy of each kind for ``count`` of them, into two class folders."""
    with (figshare / "annotations.csv").open(newline="") as file:
        csv.field_size_limit(10_000_000)
        numbers = [row["number"] for row in csv.DictReader(file) if int(row["fold"]) in FOLDS]
    originals, copies = folder / "originals", folder / "planted"
    for made in (originals, copies):
        made.mkdir(parents=True)
    for number in numbers:
        shutil.copyfile(figshare / "images" / f"{number}.jpg", originals / f"{number}.jpg")
    with ThreadPoolExecutor() as pool:
        list(pool.map(partial(plant_each_kind, originals, copies), numbers[:: max(1, len(numbers) // count)][:count]))


def plant_each_kind(originals: Path, copies: Path, number: str) -> None:
    picture = cv2.imread(str(originals / f"{number}.jpg"), cv2.IMREAD_GRAYSCALE)
    for kind, change in enumerate(KINDS.values()):
        changed = change(picture, np.random.default_rng([int(number), kind]))
        cv2.imwrite(str(copies / f"{number}-{kind}.png"), np.ascontiguousarray(changed))


def on_planted(every: list[ToolOutput], count: int) -> list[str]:
    """Return the table of planted copies that each tool finds together with their original."""
    table = []
    for output in every:
        stems = [Path(str(name)).stem.split("-") for name in output.names]
        shows = np.array([int(TWICE.get(number, number)) for number, *_ in stems])
        kinds = np.array([int(kind[0]) if kind else -1 for _, *kind in stems])
        right = shows[output.pairs[:, 0]] == shows[output.pairs[:, 1]]
        ends = kinds[output.pairs]
        found = np.unique(output.pairs[right & (ends.min(axis=1) < 0)])
        recalls = [(kinds[found] == kind).sum() / (kinds == kind).sum() for kind in range(len(KINDS))]
        worst = int(np.argmin(recalls))
        figures = [
            shared((kinds[found] >= 0).sum(), (kinds >= 0).sum()),
            f"{100 * recalls[worst]:.1f} %: {list(KINDS)[worst]}",
            shared(right.sum(), len(right)),
        ]
        table.append([output.tool, *figures, f"{output.cost.seconds:.0f}", f"{output.cost.mebibytes:,.0f}"])
    head = ["tool", "recall (95 %)", "worst kind", "precision of pairs (95 %)", "s", "MiB"]
    folds = " and ".join(map(str, FOLDS))
    return [
        f"{count} slices of the folds {folds} of Figshare were altered in {len(KINDS)} ways each (the kinds of the "
        "next section), and these copies were added to all slices of these folds. A copy counts as found if the tool "
        "reports it together with its original. Gadolin was designed for these kinds; the hashes are not designed for "
        "mirrored or rotated pictures.",
        "",
        *markdown(head, table),
    ]


def growth(kaggle: Path, folder: Path, factors: list[int]) -> list[str]:
    """Return the table of candidate search time by number of images."""
    script, keypoints, out = str(PROCESSES / "audit_gadolin.py"), folder / "keypoints.npz", folder / "grown.json"
    measured([sys.executable, script, "keypoints", str(kaggle), str(keypoints)])
    rows = []
    for factor in (1, *factors):
        memory = measured([sys.executable, script, "grow", str(keypoints), str(factor), str(out)]).mebibytes
        rows.append(json.loads(out.read_text()) | {"mebibytes": memory})
        print(rows[-1], flush=True)
    exponents = ["", *(
        f"{log(after['seconds'] / before['seconds']) / log(after['pictures'] / before['pictures']):.2f}"
        for before, after in pairwise(rows)
    )]  # fmt: skip
    table = [
        [
            *(f"{one[key]:,}" for key in ("pictures", "features", "asked")),
            *(f"{one[key]:,.0f}" for key in ("index", "seconds")),
            f"{1000 * one['seconds'] / one['pictures']:.1f}",
            exponent,
            f"{one['pairs']:,}",
            f"{one['mebibytes']:,.0f}",
        ]
        for one, exponent in zip(rows, exponents, strict=True)
    ]
    head = ["pictures", "features", "queried", "index, s", "in all, s", "ms each", "exponent", "pairs", "MiB"]
    return [
        "Time of the search for candidate pairs. The features are the keypoint descriptors of Kaggle's pictures. "
        "Larger sets repeat them with noise, which moves a feature about as far as the eighth nearest feature of "
        "another picture is away. The repeated features are distributed over the pictures at random, so that no "
        "picture is a copy of another. The index (a part of the time) holds all pictures; if only some of them are "
        "queried, the query time is extrapolated to all, but the pairs are those of the queried pictures. The exponent "
        "is that of the growth of the time in all since the row above. MiB is the peak memory. One run each:",
        "",
        *markdown(head, table),
    ]
