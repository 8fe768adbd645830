"""Planes that slices lie in, known by their normals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Final

from gadolin.errors import ReadError

__all__ = ["NOWHERE", "Direction", "along", "are_three_planes", "cosine", "localiser", "planes_of"]

Direction = tuple[float, float, float]
"""A unit normal (x, y, z) in the patient's coordinates, or ``NOWHERE``."""

NOWHERE: Final = (0.0, 0.0, 0.0)
_SAME_PLANE: Final = 0.999  # of the cosine between two normals
_ACROSS: Final = 0.25  # of the cosine between the normals of two planes of a localiser
_MOST: Final = 9  # planes that are compared
_MOST_SLICES: Final = 60


def planes_of(directions: Iterable[Direction]) -> list[Direction]:
    """Return one direction for each plane, in the order in which they come; those within 2.5 degrees count as one."""
    planes: list[Direction] = []
    for direction in directions:
        if direction != NOWHERE and all(abs(cosine(one, direction)) <= _SAME_PLANE for one in planes):
            planes.append(direction)
    return planes


def along(planes: Sequence[Direction], direction: Direction, position: float) -> tuple[int, float]:
    """Return the number of the plane that a direction is normal to, and the position (mm) along that plane's own."""
    turns = [cosine(plane, direction) for plane in planes]
    number = next(index for index, turn in enumerate(turns) if abs(turn) > _SAME_PLANE)
    return number, position if turns[number] > 0 else -position


def are_three_planes(directions: Iterable[Direction]) -> bool:
    """Return whether slices lie in planes at right angles in all three directions, as those do that plan a scan.

    More than 60 are no plan but whole stacks.
    """
    there = list(directions)
    return len(there) <= _MOST_SLICES and any(
        all(abs(cosine(one, other)) < _ACROSS for one, other in combinations(three, 2))
        for three in combinations(planes_of(there)[:_MOST], 3)
    )


def localiser() -> ReadError:
    """Return why slices that plan a scan are left out."""
    return ReadError(
        code="localiser", rule="a localiser plans a scan and is not a slice to classify", remedy="leave it out"
    )


def cosine(one: Direction, other: Direction) -> float:
    """Return the cosine between two directions."""
    return one[0] * other[0] + one[1] * other[1] + one[2] * other[2]
