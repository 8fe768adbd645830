"""Candidate pairs of copies: pictures with several local features that agree on one similarity transform."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gadolin.duplicates.keypoints import Keypoints

__all__ = ["Candidate", "candidates"]

Candidate = tuple[int, int, bool]  # two pictures, the smaller number first, and whether one is a mirror image

_NEIGHBOURS = 8  # nearest features of each feature
_FEWEST = 4  # features that must agree
_EXACT = 4_000  # features up to which the search is exhaustive
_PER_CELL = 256  # features in a cell of the index
_PROBED = 4  # cells searched
_LEARNED_FROM = 32  # features of a cell that its centre is learned from
_BLOCK = 512  # pictures per query
_OCTAVES, _TURNS = 16, 12  # bins of relative size (half octaves) and relative angle (30 degrees)


class _Features(NamedTuple):
    """All M features: picture (M,), size in pixels (M,) and angle in radians (M,)."""

    owner: NDArray[np.int64]
    size: NDArray[np.float32]
    angle: NDArray[np.float32]


def candidates(keypoints: Keypoints) -> Iterator[tuple[int, list[Candidate]]]:
    """Yield blocks of candidate pairs, with the number of pictures searched so far.

    The nearest features of each feature, straight and mirrored, vote for a picture, a relative size and a relative
    angle (weak geometric consistency: Jegou, Douze and Schmid, ECCV 2008). Time grows a little faster than the number
    of features, memory with it.
    """
    pictures = len(keypoints.valid)
    features = _Features(
        np.nonzero(keypoints.valid)[0], keypoints.size[keypoints.valid], keypoints.angle[keypoints.valid]
    )
    index = _index(keypoints.straight[keypoints.valid])
    known: set[Candidate] = set()
    for start in range(0, pictures, _BLOCK):
        stop = min(start + _BLOCK, pictures)
        valid = keypoints.valid[start:stop]
        before = int(np.searchsorted(features.owner, start))
        pairs: set[Candidate] = set()
        for mirror in (False, True):
            queries = (keypoints.mirrored if mirror else keypoints.straight)[start:stop][valid]
            if len(queries):
                _, nearest = index.search(np.ascontiguousarray(queries), min(_NEIGHBOURS, len(features.owner)))
                pairs |= _agreeing(features, before, nearest, mirror=mirror)
        fresh = pairs - known
        known |= fresh
        yield stop, sorted(fresh)


def _index(vectors: NDArray[np.float32]) -> Any:
    """Return a FAISS index of the vectors (M, D): exact for few, inverted lists with an HNSW graph for many."""
    import faiss

    if len(vectors) <= _EXACT:
        exact = faiss.IndexFlatL2(vectors.shape[1])
        exact.add(vectors)
        return exact
    cells: Any = faiss.index_factory(vectors.shape[1], f"IVF{len(vectors) // _PER_CELL}_HNSW16,Flat")
    cells.cp.min_points_per_centroid, cells.cp.max_points_per_centroid, cells.cp.niter = 1, _LEARNED_FROM, 4
    nearest = faiss.IndexHNSWFlat(vectors.shape[1], 16)  # without it, training time is quadratic in the cells
    cells.clustering_index = nearest
    cells.nprobe = _PROBED
    cells.train(vectors)
    cells.clustering_index = None
    cells.add(vectors)
    return cells


def _agreeing(features: _Features, before: int, nearest: NDArray[np.int64], *, mirror: bool) -> set[Candidate]:
    """Return the pairs for which enough features agree on relative size and angle; adjacent angle bins count."""
    pictures = int(features.owner[-1]) + 1
    query = np.repeat(np.arange(before, before + len(nearest)), nearest.shape[1])
    match = nearest.ravel()
    kept = (match >= 0) & (features.owner[query] != features.owner[match])
    query, match = query[kept], match[kept]
    octaves = 2 * np.log2(features.size[query] / features.size[match])
    size = np.clip(np.rint(octaves) + _OCTAVES // 2, 0, _OCTAVES - 1).astype(np.int64)
    angle = np.pi - features.angle[query] if mirror else features.angle[query]
    turn = np.floor((angle - features.angle[match]) % (2 * np.pi) / (2 * np.pi / _TURNS)).astype(np.int64) % _TURNS
    votes = ((features.owner[query] * pictures + features.owner[match]) * _OCTAVES + size) * _TURNS
    bins, counts = np.unique(np.concatenate([votes + turn, votes + (turn + 1) % _TURNS]), return_counts=True)
    chosen = np.unique(bins[counts >= _FEWEST] // (_OCTAVES * _TURNS))
    ends = zip((chosen // pictures).tolist(), (chosen % pictures).tolist(), strict=True)
    return {(min(pair), max(pair), mirror) for pair in ends}
