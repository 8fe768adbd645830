"""Geometry and anatomical order of the frames of a DICOM file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import hypot
from typing import Final, NamedTuple

from pydicom.dataset import Dataset

from gadolin.readers.dicom.functional_groups import fact, first_texts
from gadolin.readers.dicom.values import numbers
from gadolin.readers.planes import NOWHERE, Direction, along, planes_of

__all__ = ["Geometry", "geometry_of", "in_order"]

_SIDES: Final = (0.9, 1.1)  # of the length of a unit vector
_FARTHEST_MM: Final = 1e5
_SPACING_MM: Final = (0.01, 100.0)
_LONGEST_PIXEL: Final = 10.0  # largest ratio of its sides
_CONTRASTS: Final = (
    "TemporalPositionIndex",
    "TemporalPositionTimeOffset",
    "EffectiveEchoTime",
    "EchoTime",
    "InversionTimes",
    "DiffusionBValue",
    "NominalCardiacTriggerDelayTime",
)


class Geometry(NamedTuple):
    """Geometry of a frame.

    ``position`` (mm) increases towards the patient's right, front or head, along the stacking axis; ``direction`` is
    the unit normal (x, y, z) in patient coordinates; ``spacing_mm`` is (rows, columns). ``orientation`` is that of
    ``Slice``.
    """

    position: float | None
    direction: Direction
    spacing_mm: tuple[float, float] | None
    orientation: str = ""


def geometry_of(facts: list[Dataset]) -> Geometry:
    """Return the geometry of a frame (PS3.3, C.7.6.2); a missing or implausible value is None."""
    spacing_mm = _spacing(fact(facts, "PixelSpacing", 2))
    place, axes = fact(facts, "ImagePositionPatient", 3), fact(facts, "ImageOrientationPatient", 6)
    if place is None or axes is None or max(map(abs, place)) > _FARTHEST_MM:
        return Geometry(None, NOWHERE, spacing_mm)
    (a, b, c), (d, e, f) = axes[:3], axes[3:]
    x, y, z = b * f - c * e, c * d - a * f, a * e - b * d  # the normal: cross product of row and column direction
    length = hypot(x, y, z)
    if not all(_SIDES[0] < side < _SIDES[1] for side in (hypot(a, b, c), hypot(d, e, f), length)):
        return Geometry(None, NOWHERE, spacing_mm)
    if max((-x, -y, z), key=abs) < 0:  # in DICOM, x and y increase to the left and back
        length = -length
    x, y, z = x / length, y / length, z / length
    edges = _edges((a, b, c)) + _edges((d, e, f))
    return Geometry(x * place[0] + y * place[1] + z * place[2], (x, y, z), spacing_mm, edges)


def _edges(axis: Direction) -> str:
    """Return the letters of the edges where a row or column begins and ends (PS3.3, C.7.6.1.1.1)."""
    towards = max(range(3), key=lambda each: abs(axis[each]))
    letters = ("RL", "AP", "IS")[towards]  # x, y and z increase to the left, back and head
    return letters if axis[towards] > 0 else letters[::-1]


def _spacing(found: list[float] | None) -> tuple[float, float] | None:
    if found is None or not all(_SPACING_MM[0] <= each <= _SPACING_MM[1] for each in found):
        return None
    return (found[0], found[1]) if max(found) <= _LONGEST_PIXEL * min(found) else None


def in_order(facts: Sequence[list[Dataset]], geometry: Sequence[Geometry], last: Sequence[bool]) -> list[int]:
    """Return the frames sorted by plane, stack, volume and position.

    ``facts`` are the data sets of each frame. Frames at one position belong to different volumes, assigned by echo,
    time and weighting, else by stored order. Frames with ``last`` come last. Frames without a position are sorted by
    their number in the stack if all have one, else by stored order.
    """
    if len(geometry) == 1:
        return [0]
    planes = planes_of([each.direction for each in geometry if each.position is not None])
    alike: dict[tuple[int, str, float], list[int]] = defaultdict(list)
    keys: dict[int, tuple[bool, int, str, float]] = {}
    within = _places_in_stacks(facts) if not planes else []
    for frame, each in enumerate(geometry):
        if each.position is None:
            keys[frame] = (last[frame], len(planes), *(within[frame] if within else ("", 0.0)))
            alike[len(planes), *(within[frame] if within else (str(frame), 0.0))].append(frame)
            continue
        plane, position = along(planes, each.direction, each.position)
        stack = _stack(facts[frame])
        keys[frame] = (last[frame], plane, stack, position)
        alike[plane, stack, round(position, 2)].append(frame)
    volume = dict.fromkeys(keys, 0)
    for frames in alike.values():
        ranked = sorted(frames, key=lambda frame: (last[frame], *_contrast(facts[frame]))) if frames[1:] else frames
        volume |= {frame: rank for rank, frame in enumerate(ranked)}
    return sorted(keys, key=lambda frame: (*keys[frame][:3], volume[frame], keys[frame][3], frame))


def _places_in_stacks(facts: Sequence[list[Dataset]]) -> list[tuple[str, float]]:
    """Return stack and in-stack number of every frame; empty if one has no number."""
    found = []
    for one in facts:
        number = fact(one, "InStackPositionNumber", 1)
        if number is None:
            return []
        found.append((_stack(one), number[0]))
    return found


def _stack(facts: list[Dataset]) -> str:
    return next(iter(first_texts(facts, "StackID")), "").rjust(16)


def _contrast(facts: list[Dataset]) -> tuple[float, ...]:
    return tuple(next((found[0] for each in facts if (found := numbers(each, name))), 0.0) for name in _CONTRASTS)
