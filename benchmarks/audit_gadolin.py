"""What audit.py measures of Gadolin, each in a process of its own.

python benchmarks/audit_gadolin.py find FOLDER OUT             the copies that an audit names, from a cold cache
python benchmarks/audit_gadolin.py keypoints FOLDER OUT        the keypoints of the pictures
python benchmarks/audit_gadolin.py grow KEYPOINTS TIMES OUT    how long the search takes among TIMES as many
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

MOST_ASKED = 75_000  # pictures that are asked about; of more, the time is scaled up
SAMPLE = 1_000  # descriptors whose neighbourhood is measured
NEIGHBOUR = 8  # the nearest ones are those of true copies


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
    """Return the pairs that were proved: each by itself, with the twins of either slice, or within a group."""
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
    """Return the keypoints of ``times`` as many pictures; the descriptors lie in files, which need not stay in memory.

    The repeats must not be copies, or the number of pairs would grow with the square of ``times``. So the descriptors
    of each repeat stray from where they were as far as the eighth nearest of another picture is, c x + sqrt(1 - c^2)
    times noise of the same extent along each component, which leaves the whole as wide as it was; and its features are
    dealt anew to its pictures, so that two pictures share no more than chance.
    """
    valid, count = keypoints.valid, len(keypoints.valid)
    shape = (times * count, *keypoints.straight.shape[1:])
    asked = min(MOST_ASKED, times * count)  # mirror images of other pictures are never looked at
    straight = np.lib.format.open_memmap(folder / "straight.npy", "w+", np.float32, shape)
    mirrored = np.lib.format.open_memmap(folder / "mirrored.npy", "w+", np.float32, (asked, *shape[1:]))
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
            told = source[valid]
            if repeat and len(room):
                noise = random.standard_normal(told.shape, np.float32) * told.std(axis=0)
                told = kept * told + np.float32((1 - kept**2) ** 0.5) * noise
            room[valid[: len(room)]] = told[dealt][: np.count_nonzero(valid[: len(room)])]
    return Keypoints(np.tile(valid, (times, 1)), np.zeros((1, 1), np.complex64), size, angle, straight, mirrored)


def kept_share(keypoints: Keypoints) -> np.float32:
    """Return c, for which c x + sqrt(1 - c^2) noise is as far from x as the eighth nearest of another picture."""
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
    """Time the search for candidates; where not all pictures are asked about, the time of asking is scaled."""
    pictures = len(keypoints.valid)
    ticks, pairs = [], 0
    start = time.perf_counter()
    for done, some in candidates(keypoints):
        pairs += len(some)
        ticks.append((done, time.perf_counter() - start))
        if done < pictures and done + ticks[0][0] > MOST_ASKED:  # the next block would be one too many
            break
    (block, first), (asked, last) = ticks[0], ticks[-1]
    each = (last - first) / max(1, asked - block)
    return {
        "pictures": pictures,
        "features": int(np.count_nonzero(keypoints.valid)),
        "index": first - each * block,
        "asked": asked,
        "seconds": last + each * (pictures - asked),
        "pairs": pairs,
    }


if __name__ == "__main__":
    main()
