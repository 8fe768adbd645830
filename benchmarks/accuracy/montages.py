"""The head counter: declined montages, and single slices that are taken for montages.

    python -m benchmarks run montages DATA [--each 200] [--jobs 2] [--list FILE] [--parts montages real cost] [--write]

DATA holds the collections ``kaggle``, ``figshare``, ``lgg``, ``external``, ``br35h`` and ``other``. The rule was
developed on Kaggle's Training, Figshare's folds 0 to 3, LGG without its institution CS, and Br35H; the montages consist
of the others. ``--list`` writes the path of every single slice that is taken for a montage.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.contact_sheets import KINDS, Grey
from benchmarks.publish import markdown, publish, share
from gadolin.errors import GadolinError
from gadolin.preprocessing.montage import HEAD_COUNTER, count_heads
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read
from gadolin.records import Slice

PARTS = ("montages", "real", "cost")
LAYOUTS = ((1, 2), (2, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6))
OTHERS = ((1, 3), (3, 1), (2, 3), (3, 2), (4, 5), (8, 8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--each", type=int, default=200, help="montages of each layout and kind")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", type=Path, help="file for the paths of declined single slices")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    held_out, seen = collections(arguments.data)
    if "montages" in arguments.parts:
        lines = montages(held_out, arguments.each, arguments.jobs)
        publish("montages", "Pictures of several slices", lines, write=arguments.write)
    if "real" in arguments.parts:
        lines, declined = real(held_out, seen, arguments.data)
        publish("montages-real", "False positives of the detection of several slices", lines, write=arguments.write)
        if arguments.list:
            arguments.list.write_text("".join(f"{path}\n" for path in declined), encoding="utf-8")
    if "cost" in arguments.parts:
        publish(
            "montages-cost",
            "Time to detect several slices in one picture",
            cost(held_out["Figshare, fold 4"]),
            write=arguments.write,
        )


def collections(data: Path) -> tuple[dict[str, list[Path]], dict[str, list[Path]]]:
    """Return the held-out images by collection, and those that the rule was developed on."""
    folds = {row["number"]: row["fold"] for row in rows_of(data / "figshare" / "annotations.csv")}
    figshare = sorted((data / "figshare" / "images").glob("*.jpg"), key=lambda path: int(path.stem))
    lgg, external, web = (rows_of(data / name / "slices.csv") for name in ("lgg", "external", "br35h"))
    held_out = {
        "Kaggle, Testing": sorted((data / "kaggle" / "Testing").rglob("*.jpg")),
        "Figshare, fold 4": [path for path in figshare if folds[path.stem] == "4"],
        "LGG, institution CS": [data / row["path"] for row in lgg if row["institution"] == "CS"],
        "other hospitals, tumour treated": [data / row["path"] for row in external if "progression" in row["path"]],
        "other hospitals, multiple sclerosis": [data / row["path"] for row in external if "/ms/" in row["path"]],
    }
    seen = {
        "Kaggle, Training": sorted((data / "kaggle" / "Training").rglob("*.jpg")),
        "Figshare, folds 0 to 3": [path for path in figshare if folds[path.stem] != "4"],
        "LGG, other institutions": [data / row["path"] for row in lgg if row["institution"] != "CS"],
        "Br35H": [data / row["path"] for row in web],
    }
    return held_out, seen


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))


def montages(held_out: Mapping[str, Sequence[Path]], each: int, jobs: int) -> list[str]:
    """Return the share of declined montages by layout and kind."""
    rows = []
    with ProcessPoolExecutor(jobs) as pool:
        for layout in (*LAYOUTS, *OTHERS):
            count = each if layout in LAYOUTS else -(-each // 4)
            found = list(pool.map(partial(declined, held_out, layout, count), KINDS))
            cells = [f"{100 * one / count:.1f} %" for one in found]
            rows.append([f"{layout[0]} x {layout[1]}", share(sum(found), count * len(KINDS)), *cells])
            print(rows[-1], flush=True)
    note = (
        f"Layouts are rows x columns. Each of the first seven has {each} pictures of each kind (column), each of the "
        f"others a quarter as many. The tiles are slices of these held-out collections: {'; '.join(held_out)}. A third "
        "of the pictures has consecutive slices, a third random slices of one collection, a third slices of all "
        "collections. Tiles have 64 to 512 pixels and are stretched or letterboxed; a third of the pictures was stored "
        f"as JPEG of quality 60 to 95. Rule {HEAD_COUNTER}. The intervals treat images as independent."
    )
    return [*markdown(["layout", "declined", *KINDS], rows), "", note]


def declined(held_out: Mapping[str, Sequence[Path]], layout: tuple[int, int], count: int, kind: str) -> int:
    """Return how many of ``count`` montages of a layout and kind are declined; deterministic."""
    cv2.setNumThreads(1)
    random = np.random.default_rng([*layout, list(KINDS).index(kind)])
    made = (KINDS[kind](chosen(held_out, layout, random), layout, random) for _ in range(count))
    return sum(count_heads(Slice(one.astype(np.float32))) > 1 for one in made)


def real(
    held_out: Mapping[str, Sequence[Path]], seen: Mapping[str, Sequence[Path]], data: Path
) -> tuple[list[str], list[str]]:
    """Return the share of single slices that are taken for montages, by collection, and their paths."""
    others = sorted(folder for folder in (data / "other").iterdir() if folder.is_dir())
    kinds = [(name, "held out", paths) for name, paths in held_out.items()]
    kinds += [(name, "used to develop the rule", paths) for name, paths in seen.items()]
    kinds += [(folder.name.replace("_", " "), "not MRI of the head", sorted(folder.glob("*.*"))) for folder in others]
    rows, taken = [], []
    for name, what, paths in kinds:
        found = [path for path in paths if heads(path) > 1]
        taken += [path.relative_to(data).as_posix() for path in found]
        rows.append([name, what, share(len(found), len(paths)), f"{len(found)} of {len(paths)}"])
        print(rows[-1], flush=True)
    of_heads = {"held out": held_out, "all": held_out | seen}
    for name, some in of_heads.items():
        paths = [path.relative_to(data).as_posix() for each in some.values() for path in each]
        count = len(set(paths) & set(taken))
        rows.append([f"heads, {name}", "", share(count, len(paths)), f"{count} of {len(paths)}"])
    of_heads_taken = [path for path in taken if not path.startswith("other/")]
    note = (
        f"Rule {HEAD_COUNTER}. The intervals treat images as independent. Pictures of one head that are detected as "
        f"several slices: {', '.join(of_heads_taken)}."
    )
    return [*markdown(["pictures", "used as", "detected as several slices", "n"], rows), "", note], taken


def heads(path: Path) -> int:
    try:
        return count_heads(read(path))
    except GadolinError:
        return 1


def cost(paths: Sequence[Path]) -> list[str]:
    """Return the time of counting heads beside that of preparing, for decoded slices."""
    pictures = [read(path) for path in paths[:200]]
    rows = []
    doing: dict[str, Callable[[Slice], object]] = {
        "detection of several slices": count_heads,
        "preparation, for comparison": partial(prepare, preparation=Preparation()),
    }
    for name, do in doing.items():
        taken = []
        for picture in pictures:
            begin = time.thread_time()
            do(picture)
            taken.append(1000 * (time.thread_time() - begin))
        rows.append([name, f"{statistics.median(taken):.2f} ms", f"{np.percentile(taken, 99):.2f} ms"])
    note = f"Processor time of {len(pictures)} slices of {pictures[0].pixels.shape[0]} pixels, one core."
    return [*markdown(["what", "median", "99 %"], rows), "", note]


def chosen(held_out: Mapping[str, Sequence[Path]], layout: tuple[int, int], random: np.random.Generator) -> list[Grey]:
    """Return a slice for each tile of a layout: consecutive files, one collection, or all collections mixed."""
    count, names = layout[0] * layout[1], list(held_out)
    paths = held_out[names[random.integers(len(names))]]
    how = random.integers(3)
    if how == 0:
        start = int(random.integers(len(paths) - count))
        picked = paths[start : start + count]
    elif how == 1:
        picked = [paths[row] for row in random.integers(len(paths), size=count)]
    else:
        several = [held_out[names[row]] for row in random.integers(len(names), size=count)]
        picked = [some[random.integers(len(some))] for some in several]
    return [grey(path) for path in picked]


@lru_cache(maxsize=1500)
def grey(path: Path) -> Grey:
    return np.clip(read(path).pixels, 0, 255).astype(np.uint8)
