"""All copies among prepared slices: candidates by local features, each pair proved by itself."""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from functools import partial
from itertools import chain

import cv2
import numpy as np
from numpy.typing import NDArray

from gadolin.duplicates.candidates import Candidate, candidates
from gadolin.duplicates.canvas import SIDE, on_canvas
from gadolin.duplicates.complete_linkage import complete_linkage
from gadolin.duplicates.components import Components
from gadolin.duplicates.copies import Copies, Copy
from gadolin.duplicates.keypoints import find_keypoints
from gadolin.duplicates.registration import IDENTICAL, NOTHING, Overlay, overlays
from gadolin.pool import thread_pool
from gadolin.progress import Progress

__all__ = ["COPY_CORRELATION", "find_copies"]

COPY_CORRELATION = 0.95
_PLAIN = 1.0  # of 255: standard deviation below which a slice shows nothing
_PIECE = 64  # slices or pairs in hand at once


def find_copies(*stacks: NDArray[np.uint8], progress: Progress | None = None) -> Copies:
    """Return the copies among prepared slices, of one stack (N, H, W) uint8 or several, numbered through.

    Copies are found mirrored, turned, rescaled, recompressed, cut, noisier and in other tones: two slices are copies
    where they can be laid over each other so that their fine structure correlates above ``COPY_CORRELATION``
    (``docs/audit.md`` tells how that was chosen). Slices that show nothing are copies of nothing.
    """
    canvases, distinct, owner = _canvases(stacks)
    keypoints = find_keypoints(canvases, progress=progress)
    proved: dict[tuple[int, int], Overlay] = {}

    def prove(pairs: Sequence[Candidate]) -> None:
        with thread_pool() as pool:
            pieces = [pairs[start : start + _PIECE] for start in range(0, len(pairs), _PIECE)]
            for piece, told in zip(pieces, pool.map(partial(overlays, canvases, keypoints), pieces), strict=True):
                for (first, second, _), found in zip(piece, told, strict=True):
                    proved[first, second] = max(found, proved.get((first, second), NOTHING))

    for done, pairs in candidates(keypoints):
        prove(pairs)
        if progress is not None:
            progress(done, len(canvases), "comparing slices")
    passed = {pair: found for pair, found in proved.items() if found.correlation > COPY_CORRELATION}
    joined = Components(len(canvases))
    for first, second in passed:
        joined.join(first, second)

    def pass_all(pairs: Sequence[tuple[int, int]]) -> bool:
        prove([(*pair, mirror) for pair in pairs if pair not in proved for mirror in (False, True)])
        return all(proved[pair].correlation > COPY_CORRELATION for pair in pairs)

    cut = complete_linkage(len(canvases), [(found.correlation, *pair) for pair, found in passed.items()], pass_all)
    copies = [Copy(int(distinct[first]), int(distinct[second]), found) for (first, second), found in passed.items()]
    twins = [(int(distinct[canvas]), row) for row, canvas in enumerate(owner.tolist()) if canvas >= 0]
    copies += [Copy(first, second, IDENTICAL) for first, second in twins if first != second]
    return Copies(tuple(sorted(copies)), _numbered(joined, distinct, owner), _numbered(cut, distinct, owner))


def _canvases(
    stacks: Sequence[NDArray[np.uint8]],
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Return the canvases of the C distinct slices, the first slice of each (C,), and the canvas of each slice (N,).

    A slice that shows nothing has the canvas -1.
    """
    seen: dict[bytes, int] = {}
    count = sum(map(len, stacks))
    canvases = np.empty((count, SIDE, SIDE), np.uint8)
    distinct: list[int] = []
    owner = np.full(count, -1, np.int64)
    pieces = [stack[start : start + _PIECE] for stack in stacks for start in range(0, len(stack), _PIECE)]
    with thread_pool() as pool:
        for row, (digest, canvas) in enumerate(chain.from_iterable(pool.map(_looked_at, pieces))):
            if digest is None:
                continue
            owner[row] = seen.setdefault(digest, len(seen))
            if owner[row] == len(distinct):
                canvases[len(distinct)] = canvas
                distinct.append(row)
    return canvases[: len(distinct)], np.array(distinct, np.int64), owner


def _looked_at(slices: NDArray[np.uint8]) -> list[tuple[bytes | None, NDArray[np.uint8]]]:
    """Return digest and canvas of each slice, no digest where it shows nothing."""
    plain = [float(cv2.meanStdDev(one)[1].item()) < _PLAIN for one in slices]
    digests = [hashlib.sha256(np.ascontiguousarray(one).data).digest() for one in slices]
    found = [
        (None if nothing else digest, canvas)
        for nothing, digest, canvas in zip(plain, digests, on_canvas(slices), strict=True)
    ]
    _let_go(slices)
    return found


def _let_go(slices: NDArray[np.uint8]) -> None:
    """Take the pages of a memory map out of memory; they are read again where they are needed again."""
    mapped = getattr(slices, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _numbered(sets: Components, distinct: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each slice the number of the first slice of its set; its own where it shows nothing."""
    roots = np.append(distinct[np.array(sets.roots(), np.int64)], -1)
    return np.where(owner >= 0, roots[owner], np.arange(len(owner)))
