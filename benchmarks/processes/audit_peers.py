"""Duplicates by other tools: run by the benchmark ``audit`` with a Python that has imagededup and the others.

    PYTHON benchmarks/processes/audit_peers.py TOOL FOLDER OUT

OUT gets the relative paths of the images in FOLDER, the pairs (P, 2) of duplicates, the name and version of the tool,
and its seconds without the import.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from importlib.metadata import version
from itertools import combinations
from pathlib import Path

import numpy as np

WORKERS = 2
DISTANCE = 10  # of 64 bits, as imagededup recommends
BLOCK = 1024

Pairs = Iterable[tuple[str, str]]  # names below the folder


def main() -> None:
    tool, folder, out = sys.argv[1], Path(sys.argv[2]).resolve(), Path(sys.argv[3])
    package, module, find = TOOLS[tool]
    import_module(module)
    start = time.perf_counter()
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    numbers = {name: number for number, name in enumerate(names)}
    pairs = {tuple(sorted((numbers[one], numbers[other]))) for one, other in find(folder, names)}
    stored = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    seconds = time.perf_counter() - start
    label = f"{package} {version(package)}"
    np.savez(out, names=np.array(names), pairs=stored, tool=np.array(label), seconds=np.array(seconds))


def imagededup_phash(folder: Path, _names: list[str]) -> Pairs:
    from imagededup.methods import PHash

    return imagededup_pairs(PHash(verbose=False), folder)


def imagededup_dhash(folder: Path, _names: list[str]) -> Pairs:
    from imagededup.methods import DHash

    return imagededup_pairs(DHash(verbose=False), folder)


def imagededup_pairs(method: object, folder: Path) -> Pairs:
    found = method.find_duplicates(
        image_dir=folder,
        max_distance_threshold=DISTANCE,
        recursive=True,
        num_enc_workers=WORKERS,
        num_dist_workers=WORKERS,
    )
    return ((name, other) for name, others in found.items() for other in others)


def cleanvision(folder: Path, _names: list[str]) -> Pairs:
    from cleanvision import Imagelab

    lab = Imagelab(data_path=str(folder), verbose=False)
    lab.find_issues({"exact_duplicates": {}, "near_duplicates": {}}, n_jobs=WORKERS, verbose=False)
    sets = [some for kind in ("exact_duplicates", "near_duplicates") for some in lab.info[kind]["sets"]]
    below = ([Path(path).relative_to(folder).as_posix() for path in some] for some in sets)
    return (pair for some in below for pair in combinations(some, 2))


def phash(folder: Path, names: list[str]) -> Pairs:
    return near(names, hashes(folder, names)[:1])


def phash_mirrored(folder: Path, names: list[str]) -> Pairs:
    return near(names, hashes(folder, names))


def hashes(folder: Path, names: list[str]) -> np.ndarray:
    """Return (2, N, 64) float32 of -1 and 1: the pHash of each image and of its mirror image."""
    import imagehash
    from PIL import Image, ImageOps

    def both(name: str) -> list[np.ndarray]:
        with Image.open(folder / name) as picture:
            return [imagehash.phash(one).hash.ravel() for one in (picture, ImageOps.mirror(picture))]

    with ThreadPoolExecutor(WORKERS) as pool:
        bits = np.stack(list(pool.map(both, names)), axis=1)
    return 2 * bits.astype(np.float32) - 1


def near(names: list[str], views: np.ndarray) -> Pairs:
    """Yield the pairs with a Hamming distance of ``DISTANCE`` or less, for any view of the first image."""
    straight = views[0]
    for start in range(0, len(names), BLOCK):
        alike = np.max([some[start : start + BLOCK] @ straight.T for some in views], axis=0)
        firsts, seconds = np.nonzero(alike >= straight.shape[1] - 2 * DISTANCE)
        for first, second in zip((firsts + start).tolist(), seconds.tolist(), strict=True):
            if first != second:
                yield names[first], names[second]


TOOLS = {
    "imagededup-phash": ("imagededup", "imagededup.methods", imagededup_phash),
    "imagededup-dhash": ("imagededup", "imagededup.methods", imagededup_dhash),
    "cleanvision": ("cleanvision", "cleanvision", cleanvision),
    "phash": ("ImageHash", "imagehash", phash),
    "phash-mirrored": ("ImageHash", "imagehash", phash_mirrored),
}


if __name__ == "__main__":
    main()
