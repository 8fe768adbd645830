"""Find all copies among prepared slices: candidates by local features, each pair verified by registration."""

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
_PLAIN = 1.0  # of 255: a slice with a smaller standard deviation is blank
_PIECE = 64  # slices or pairs per task


def find_copies(*stacks: NDArray[np.uint8], progress: Progress | None = None) -> Copies:
    """Return the copies among prepared slices, in one or several stacks (N, H, W) uint8, numbered consecutively.

    Finds copies that are mirrored, rotated, rescaled, recompressed, cropped, noisier or of other contrast: two slices
    are copies if they can be registered so that their fine structure correlates above ``COPY_CORRELATION``
    (``docs/explanation/duplicates.md`` explains the choice). Blank slices have no copies.
    """
    canvases, distinct, owner = _canvases(stacks)
    keypoints = find_keypoints(canvases, progress=progress)
    proved: dict[tuple[int, int], Overlay] = {}

    def prove(pairs: Sequence[Candidate]) -> None:
        with thread_pool() as pool:
            pieces = [pairs[start : start + _PIECE] for start in range(0, len(pairs), _PIECE)]
            for piece, results in zip(pieces, pool.map(partial(overlays, canvases, keypoints), pieces), strict=True):
                for (first, second, _), found in zip(piece, results, strict=True):
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

    A blank slice has the canvas -1.
    """
    seen: dict[bytes, int] = {}
    count = sum(map(len, stacks))
    canvases = np.empty((count, SIDE, SIDE), np.uint8)
    distinct: list[int] = []
    owner = np.full(count, -1, np.int64)
    pieces = [stack[start : start + _PIECE] for stack in stacks for start in range(0, len(stack), _PIECE)]
    with thread_pool() as pool:
        for row, (digest, canvas) in enumerate(chain.from_iterable(pool.map(_digests_and_canvases, pieces))):
            if digest is None:
                continue
            owner[row] = seen.setdefault(digest, len(seen))
            if owner[row] == len(distinct):
                canvases[len(distinct)] = canvas
                distinct.append(row)
    return canvases[: len(distinct)], np.array(distinct, np.int64), owner


def _digests_and_canvases(slices: NDArray[np.uint8]) -> list[tuple[bytes | None, NDArray[np.uint8]]]:
    """Return digest and canvas of each slice; no digest for a blank one."""
    plain = [float(cv2.meanStdDev(one)[1].item()) < _PLAIN for one in slices]
    digests = [hashlib.sha256(np.ascontiguousarray(one).data).digest() for one in slices]
    found = [
        (None if blank else digest, canvas)
        for blank, digest, canvas in zip(plain, digests, on_canvas(slices), strict=True)
    ]
    _release_pages(slices)
    return found


def _release_pages(slices: NDArray[np.uint8]) -> None:
    """Release the pages of a memory map; they are read again when needed."""
    mapped = getattr(slices, "_mmap", None)
    if mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


def _numbered(sets: Components, distinct: NDArray[np.int64], owner: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return for each slice the number of the first slice of its set; for a blank slice its own number."""
    roots = np.append(distinct[np.array(sets.roots(), np.int64)], -1)
    return np.where(owner >= 0, roots[owner], np.arange(len(owner)))
