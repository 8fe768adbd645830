"""The duplicate search of Gadolin in a separate process, for the benchmark ``audit``.

audit_gadolin.py find FOLDER OUT             duplicates as the audit finds them, with a cold cache
audit_gadolin.py keypoints FOLDER OUT        keypoints of the images
audit_gadolin.py grow KEYPOINTS TIMES OUT    time of the search among TIMES as many images
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from itertools import combinations, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin import __version__
from gadolin.datasets import scan
from gadolin.duplicates import Copies, find_copies
from gadolin.duplicates.candidates import candidates
from gadolin.duplicates.canvas import on_canvas
from gadolin.duplicates.keypoints import Keypoints, find_keypoints
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation

MOST_QUERIES = 75_000  # query images; for more, the time is extrapolated
SAMPLE = 1_000  # descriptors whose neighbourhood is measured
NEIGHBOUR = 8  # nearer ones may be true duplicates


def main() -> None:
    task, source, out = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[-1])
    with tempfile.TemporaryDirectory() as temporary:
        if task == "find":
            find(source, Path(temporary), out)
        elif task == "keypoints":
            records = scan(source).records
            found = find_keypoints(on_canvas(prepared_slices(records, Preparation(), Path(temporary)).slices))
            np.savez(out, **{name: getattr(found, name) for name in Keypoints.__slots__})
        else:
            with np.load(source) as stored:
                keypoints = Keypoints(*(stored[name] for name in Keypoints.__slots__))
            out.write_text(json.dumps(grown(repeated(keypoints, int(sys.argv[3]), Path(temporary)))))


def find(folder: Path, cache: Path, out: Path) -> None:
    start = time.perf_counter()
    records = scan(folder).records
    copies = find_copies(prepared_slices(records, Preparation(), cache).slices)
    names = np.array([record.path.relative_to(folder).as_posix() for record in records])
    pairs = np.array(sorted(named_pairs(copies)), np.int64).reshape(-1, 2)
    seconds = time.perf_counter() - start
    np.savez(out, names=names, pairs=pairs, tool=np.array(f"Gadolin {__version__}"), seconds=np.array(seconds))


def named_pairs(copies: Copies) -> set[tuple[int, int]]:
    """Return the confirmed pairs: registered ones, those with an identical twin of either slice, and within groups."""
    same: dict[int, list[int]] = defaultdict(list)
    proved = []
    for first, second, overlay in copies.pairs:
        if overlay == (1, False, 0, 1):
            same[first].append(second)
        else:
            proved.append((first, second))
    pairs = {pair for ends in proved for pair in product(*([end, *same.get(end, [])] for end in ends))}
    groups: dict[int, list[int]] = defaultdict(list)
    for row, group in enumerate(copies.groups.tolist()):
        groups[group].append(row)
    pairs.update(pair for rows in groups.values() for pair in combinations(rows, 2))
    return {(min(pair), max(pair)) for pair in pairs}


def repeated(keypoints: Keypoints, times: int, folder: Path) -> Keypoints:
    """Return the keypoints of ``times`` as many images; the descriptors are memory-mapped files.

    The repeats must not be duplicates, or the number of pairs would grow with the square of ``times``. Each descriptor
    x of a repeat becomes c x + sqrt(1 - c^2) noise, with noise of the same variance in each component: the total
    variance stays, and the distance to x is that of the eighth nearest descriptor of another image. The features of a
    repeat are shuffled over its images, so that two images share features only by chance.
    """
    valid, count = keypoints.valid, len(keypoints.valid)
    shape = (times * count, *keypoints.straight.shape[1:])
    queries = min(MOST_QUERIES, times * count)  # only query images need their mirror image
    straight = np.lib.format.open_memmap(folder / "straight.npy", "w+", np.float32, shape)
    mirrored = np.lib.format.open_memmap(folder / "mirrored.npy", "w+", np.float32, (queries, *shape[1:]))
    size, angle = np.ones(shape[:2], np.float32), np.ones(shape[:2], np.float32)
    kept = kept_share(keypoints) if times > 1 else 1.0
    random = np.random.default_rng(0)
    for repeat in range(times):
        rows = slice(repeat * count, (repeat + 1) * count)
        dealt = random.permutation(np.count_nonzero(valid)) if repeat else slice(None)
        for target, source in ((size, keypoints.size), (angle, keypoints.angle)):
            target[rows][valid] = source[valid][dealt]
        for target, source in ((straight, keypoints.straight), (mirrored, keypoints.mirrored)):
            room = target[rows]
            descriptors = source[valid]
            if repeat and len(room):
                noise = random.standard_normal(descriptors.shape, np.float32) * descriptors.std(axis=0)
                descriptors = kept * descriptors + np.float32((1 - kept**2) ** 0.5) * noise
            room[valid[: len(room)]] = descriptors[dealt][: np.count_nonzero(valid[: len(room)])]
    return Keypoints(np.tile(valid, (times, 1)), np.zeros((1, 1), np.complex64), size, angle, straight, mirrored)


def kept_share(keypoints: Keypoints) -> np.float32:
    """Return c such that c x + sqrt(1 - c^2) noise is as far from x as the eighth nearest of another image."""
    owner = np.nonzero(keypoints.valid)[0]
    every = keypoints.straight[keypoints.valid]
    rows = np.linspace(0, len(every) - 1, SAMPLE).astype(np.int64)
    distance = squares(every)[None] + squares(every[rows])[:, None] - 2 * every[rows] @ every.T
    distance[owner[rows][:, None] == owner[None]] = np.inf
    away = np.median(np.partition(distance, NEIGHBOUR - 1, axis=1)[:, NEIGHBOUR - 1])
    return np.float32(max(1 - away / (2 * every.var(axis=0).sum()), 0))


def squares(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.einsum("nd,nd->n", vectors, vectors)


def grown(keypoints: Keypoints) -> dict[str, float]:
    """Time the candidate search; beyond MOST_QUERIES queries the time is extrapolated."""
    pictures = len(keypoints.valid)
    ticks, pairs = [], 0
    start = time.perf_counter()
    for done, some in candidates(keypoints):
        pairs += len(some)
        ticks.append((done, time.perf_counter() - start))
        if done < pictures and done + ticks[0][0] > MOST_QUERIES:  # the next block would be one too many
            break
    (block, first), (queries, last) = ticks[0], ticks[-1]
    each = (last - first) / max(1, queries - block)
    return {
        "pictures": pictures,
        "features": int(np.count_nonzero(keypoints.valid)),
        "index": first - each * block,
        "asked": queries,
        "seconds": last + each * (pictures - queries),
        "pairs": pairs,
    }


if __name__ == "__main__":
    main()
