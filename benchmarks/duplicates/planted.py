"""Planted duplicates among Figshare's slices: recall and precision of the duplicate search.

    python -m benchmarks run planted FIGSHARE [--folds 2 3 4] [--sweep] [--write]

FIGSHARE holds ``images/N.jpg`` and ``annotations.csv`` (number,label,patient,person,fold,border). For each kind of
change, one copy of every slice of the folds is planted among all 3,064 slices. ``--sweep`` also measures other
thresholds and draws the curve; the threshold was chosen this way on folds that the reported result leaves out.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.publish import markdown, publish, share
from gadolin.duplicates import COPY_CORRELATION, find_copies
from gadolin.duplicates.candidates import candidates
from gadolin.duplicates.canvas import on_canvas
from gadolin.duplicates.keypoints import find_keypoints
from gadolin.duplicates.registration import overlays
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.records import Slice

TWICE = {"263": "261", "264": "262", "267": "265", "268": "266"}  # exported twice, as patient 103925
THRESHOLDS = (0.86, 0.88, 0.90, 0.92, 0.93, 0.94, 0.95, 0.96, 0.97)

Picture = NDArray[np.uint8]  # (H, W)
Random = np.random.Generator


def mirrored(picture: Picture, _random: Random) -> Picture:
    return picture[:, ::-1]


def turned(picture: Picture, random: Random) -> Picture:
    return np.rot90(mirrored(picture, random) if random.random() < 0.5 else picture, random.integers(1, 4))


def rotated(picture: Picture, random: Random) -> Picture:
    height, width = picture.shape
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), random.uniform(-10, 10), 1)
    return cv2.warpAffine(picture, matrix, (width, height))


def scaled(picture: Picture, random: Random) -> Picture:
    factor = random.uniform(0.5, 1.5)
    size = tuple(max(1, round(factor * side)) for side in picture.shape[::-1])
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def cropped(picture: Picture, random: Random) -> Picture:
    cut = [round(side * random.uniform(0, 0.15)) for side in picture.shape]
    top, left = (int(random.integers(0, each + 1)) for each in cut)
    return picture[top : top + picture.shape[0] - cut[0], left : left + picture.shape[1] - cut[1]]


def recompressed(picture: Picture, random: Random) -> Picture:
    _, stored = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(20, 91))])
    return cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE)


def with_gamma(picture: Picture, random: Random) -> Picture:
    return np.rint(255 * (picture / 255) ** (2 ** random.uniform(-1, 1))).astype(np.uint8)


def with_contrast(picture: Picture, random: Random) -> Picture:
    factor, shift = random.uniform(0.6, 1.4), random.uniform(-20, 20)
    return np.clip(np.rint(factor * picture + shift * (picture > 8)), 0, 255).astype(np.uint8)


def noisy(picture: Picture, random: Random) -> Picture:
    noise = random.normal(0, random.uniform(2, 15), picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


def bordered(picture: Picture, random: Random) -> Picture:
    sides = [int(width) for width in random.uniform(0, 0.12, 4) * picture.shape[0]]
    tone = int(random.choice([0, 30, 128, 255]))
    return cv2.copyMakeBorder(picture, *sides, cv2.BORDER_CONSTANT, value=tone)


def all_at_once(picture: Picture, random: Random) -> Picture:
    for change in (rotated, scaled, cropped, with_gamma, noisy, recompressed):
        picture = change(picture, random)
    return mirrored(picture, random) if random.random() < 0.5 else picture


KINDS: dict[str, Callable[[Picture, Random], Picture]] = {
    "mirrored": mirrored,
    "turned by 90, 180 or 270 degrees, half of them mirrored": turned,
    "rotated by up to 10 degrees": rotated,
    "scaled by 0.5 to 1.5": scaled,
    "cut by up to 15 % of each side": cropped,
    "JPEG of quality 20 to 90": recompressed,
    "gamma 0.5 to 2": with_gamma,
    "contrast and brightness": with_contrast,
    "noise of 2 to 15 of 255": noisy,
    "screenshot borders": bordered,
    "rotated, scaled, cut, gamma, noise, JPEG, half mirrored": all_at_once,
}


class Population(NamedTuple):
    """N prepared slices (N, 256, 256) uint8, the number of the original of each, and its person."""

    slices: NDArray[np.uint8]
    shows: NDArray[np.str_]
    person: NDArray[np.str_]


class Tally(NamedTuple):
    """Planted copies and found ones; pairs, those of the same slice, and those of other slices of one patient."""

    planted: int
    found: int
    pairs: int
    right: int
    neighbours: int


Pairs = list[tuple[float, int, int]]  # correlation, first, second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("--folds", type=int, nargs="+", default=[2, 3, 4])
    parser.add_argument("--sweep", action="store_true", help="measure other thresholds too, and draw the curve")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with (arguments.figshare / "annotations.csv").open(newline="") as file:
        csv.field_size_limit(10_000_000)
        rows = list(csv.DictReader(file))
    planted = [row for row in rows if int(row["fold"]) in arguments.folds]
    originals = population(arguments.figshare, rows, None)
    tallies: dict[str, dict[float, Tally]] = {}
    for kind in KINDS:
        searched = _together(originals, population(arguments.figshare, planted, kind))
        pairs = every_pair(searched.slices) if arguments.sweep else merged_pairs(searched.slices)
        thresholds = THRESHOLDS if arguments.sweep else (COPY_CORRELATION,)
        tallies[kind] = {threshold: tally(searched, len(rows), pairs, threshold) for threshold in thresholds}
        print(kind, tallies[kind][COPY_CORRELATION], flush=True)
    folds = " ".join(map(str, arguments.folds))
    lines = by_kind({kind: one[COPY_CORRELATION] for kind, one in tallies.items()})
    if arguments.sweep:
        lines += ["", *by_threshold(tallies)]
    title = f"Planted duplicates, folds {folds}" + (", thresholds" if arguments.sweep else "")
    pictures = {"Precision and recall": draw(tallies)} if arguments.sweep else {}
    publish(f"planted-{folds.replace(' ', '-')}", title, lines, write=arguments.write, pictures=pictures)


def population(figshare: Path, rows: list[dict[str, str]], kind: str | None) -> Population:
    """Return the prepared slices of some rows, changed by a kind (None: unchanged)."""
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        slices = list(pool.map(partial(_prepared, figshare, kind), [row["number"] for row in rows], chunksize=32))
    shows = [TWICE.get(row["number"], row["number"]) for row in rows]
    return Population(np.stack(slices), np.array(shows), np.array([row["person"] for row in rows]))


def _prepared(figshare: Path, kind: str | None, number: str) -> NDArray[np.uint8]:
    cv2.setNumThreads(1)
    picture = cv2.imread(str(figshare / "images" / f"{number}.jpg"), cv2.IMREAD_GRAYSCALE)
    if kind is not None:
        picture = KINDS[kind](picture, np.random.default_rng([int(number), list(KINDS).index(kind)]))
    return prepare(Slice(np.asarray(picture, np.float32)), Preparation())


def _together(*populations: Population) -> Population:
    return Population(*(np.concatenate(parts) for parts in zip(*populations, strict=True)))


def merged_pairs(slices: NDArray[np.uint8]) -> Pairs:
    """Return the pairs that the duplicate search finds."""
    return [(pair.overlay.correlation, pair.first, pair.second) for pair in find_copies(slices).pairs]


def every_pair(slices: NDArray[np.uint8]) -> Pairs:
    """Return every candidate pair with its correlation, without a threshold."""
    canvases = on_canvas(slices)
    keypoints = find_keypoints(canvases)
    best: dict[tuple[int, int], float] = {}
    for _, pairs in candidates(keypoints):
        pieces = [pairs[start : start + 64] for start in range(0, len(pairs), 64)]
        with ThreadPoolExecutor() as pool:
            for piece, found in zip(pieces, pool.map(partial(overlays, canvases, keypoints), pieces), strict=True):
                for (first, second, _), overlay in zip(piece, found, strict=True):
                    best[first, second] = max(overlay.correlation, best.get((first, second), -1.0))
    return [(correlation, first, second) for (first, second), correlation in best.items()]


def tally(searched: Population, originals: int, pairs: Pairs, threshold: float) -> Tally:
    """Return the tally of the pairs above a threshold; rows from ``originals`` on are planted."""
    firsts, seconds = (np.array([pair[end] for pair in pairs if pair[0] > threshold], dtype=np.int64) for end in (1, 2))
    right = searched.shows[firsts] == searched.shows[seconds]
    across = right & (firsts < originals) & (seconds >= originals)
    neighbours = ~right & (searched.person[firsts] == searched.person[seconds])
    return Tally(
        planted=len(searched.shows) - originals,
        found=len(np.unique(seconds[across])),
        pairs=len(firsts),
        right=int(right.sum()),
        neighbours=int(neighbours.sum()),
    )


def by_kind(tallies: dict[str, Tally]) -> list[str]:
    head = ["copies", "n", "recall (95 %)", "precision of pairs (95 %)", "neighbours merged", "others merged"]
    table = []
    for kind, one in tallies.items():
        others = one.pairs - one.right - one.neighbours
        shares = [share(one.found, one.planted), share(one.right, one.pairs)]
        table.append([kind, str(one.planted), *shares, str(one.neighbours), str(others)])
    return markdown(head, table)


def by_threshold(tallies: dict[str, dict[float, Tally]]) -> list[str]:
    head = ["threshold", "recall, all kinds", "recall, worst kind", "precision, all kinds", "neighbours merged"]
    table = []
    for threshold in THRESHOLDS:
        each = [one[threshold] for one in tallies.values()]
        total = Tally(*map(sum, zip(*each, strict=True)))
        worst = min(each, key=lambda one: one.found / one.planted)
        recalls = [share(one.found, one.planted) for one in (total, worst)]
        table.append([f"{threshold:.2f}", *recalls, share(total.right, total.pairs), str(total.neighbours)])
    return markdown(head, table)


def draw(tallies: dict[str, dict[float, Tally]]) -> bytes:
    """Return a PNG of precision over recall for each kind, with the chosen threshold marked."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5), layout="constrained")
    axes = figure.subplots()
    axes.set_prop_cycle(color=colormaps["tab20"].colors)
    for kind, by_limit in tallies.items():
        recall = [one.found / one.planted for one in by_limit.values()]
        precision = [one.right / one.pairs for one in by_limit.values()]
        (line,) = axes.plot(recall, precision, marker=".", linewidth=1, label=kind)
        chosen = by_limit[COPY_CORRELATION]
        axes.plot(chosen.found / chosen.planted, chosen.right / chosen.pairs, "o", color=line.get_color())
    axes.axhline(0.99, color="0.7", linewidth=0.8)
    axes.axvline(0.99, color="0.7", linewidth=0.8)
    axes.set(xlabel="recall", ylabel="precision of pairs", title=f"Thresholds; the circle is {COPY_CORRELATION}")
    axes.legend(fontsize=7)
    png = io.BytesIO()
    figure.savefig(png, dpi=110)
    return png.getvalue()
