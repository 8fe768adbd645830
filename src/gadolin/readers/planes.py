"""Slice planes, compared by their normals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

from gadolin.errors import ReadError

__all__ = ["NOWHERE", "Direction", "along", "are_three_planes", "cosine", "localiser_error", "planes_of"]

Direction = tuple[float, float, float]
"""A unit normal (x, y, z) in the patient's coordinates, or ``NOWHERE``."""

NOWHERE: Final = (0.0, 0.0, 0.0)
_SAME_PLANE: Final = 0.999  # of the cosine between two normals
_ACROSS: Final = 0.25  # of the cosine between the normals of two planes of a localiser
_MOST: Final = 9  # planes that are compared
_MOST_SLICES: Final = 60


def planes_of(directions: Iterable[Direction]) -> list[Direction]:
    """Return one direction per plane, in order of appearance; planes within 2.5 degrees count as one."""
    planes: list[Direction] = []
    for direction in directions:
        if direction != NOWHERE and all(abs(cosine(one, direction)) <= _SAME_PLANE for one in planes):
            planes.append(direction)
    return planes


def along(planes: Sequence[Direction], direction: Direction, position: float) -> tuple[int, float]:
    """Return the index of the plane with normal ``direction``, and the position (mm) along the normal of that plane."""
    turns = [cosine(plane, direction) for plane in planes]
    number = next(index for index, turn in enumerate(turns) if abs(turn) > _SAME_PLANE)
    return number, position if turns[number] > 0 else -position


def are_three_planes(directions: Iterable[Direction]) -> bool:
    """Return whether slices lie in three mutually orthogonal planes, like those of a localiser.

    More than 60 slices count as full stacks, not as a localiser.
    """
    normals = list(directions)
    return len(normals) <= _MOST_SLICES and any(
        all(abs(cosine(one, other)) < _ACROSS for one, other in combinations(three, 2))
        for three in combinations(planes_of(normals)[:_MOST], 3)
    )


def localiser_error() -> ReadError:
    """Return the reason to skip localiser slices."""
    return ReadError(
        code="localiser", rule="a localiser plans a scan and is not a slice to classify", remedy="leave it out"
    )


def cosine(one: Direction, other: Direction) -> float:
    """Return the cosine between two directions."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
