"""Where the frames of a DICOM file lie, and in which order they are slices."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from math import hypot
from typing import Final, NamedTuple

from pydicom.dataset import Dataset

from gadolin.readers.dicom.functional_groups import fact, told
from gadolin.readers.dicom.values import numbers
from gadolin.readers.planes import NOWHERE, Direction, along, planes_of

__all__ = ["Geometry", "geometry_of", "in_order"]

_SIDES: Final = (0.9, 1.1)  # of a direction that should be a unit vector
_FARTHEST_MM: Final = 1e5
_SPACING_MM: Final = (0.01, 100.0)
_LONGEST_PIXEL: Final = 10.0  # how much longer than wide one may be
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
    """Where a frame lies.

    ``position`` (mm) grows towards the patient's right, front or head, whichever the slices are stacked along;
    ``direction`` is the unit normal (x, y, z) in the patient's coordinates; ``spacing_mm`` is (rows, columns).
    """

    position: float | None
    direction: Direction
    spacing_mm: tuple[float, float] | None


def geometry_of(facts: list[Dataset]) -> Geometry:
    """Return the geometry of a frame (PS3.3, C.7.6.2) from what describes it; a missing or impossible value is None."""
    spacing_mm = _spacing(fact(facts, "PixelSpacing", 2))
    place, axes = fact(facts, "ImagePositionPatient", 3), fact(facts, "ImageOrientationPatient", 6)
    if place is None or axes is None or max(map(abs, place)) > _FARTHEST_MM:
        return Geometry(None, NOWHERE, spacing_mm)
    (a, b, c), (d, e, f) = axes[:3], axes[3:]
    x, y, z = b * f - c * e, c * d - a * f, a * e - b * d  # the normal, that of the vectors of rows and columns
    length = hypot(x, y, z)
    if not all(_SIDES[0] < side < _SIDES[1] for side in (hypot(a, b, c), hypot(d, e, f), length)):
        return Geometry(None, NOWHERE, spacing_mm)
    if max((-x, -y, z), key=abs) < 0:  # DICOM's x and y grow to the left and back
        length = -length
    x, y, z = x / length, y / length, z / length
    return Geometry(x * place[0] + y * place[1] + z * place[2], (x, y, z), spacing_mm)


def _spacing(found: list[float] | None) -> tuple[float, float] | None:
    if found is None or not all(_SPACING_MM[0] <= each <= _SPACING_MM[1] for each in found):
        return None
    return (found[0], found[1]) if max(found) <= _LONGEST_PIXEL * min(found) else None


def in_order(facts: Sequence[list[Dataset]], geometry: Sequence[Geometry], last: Sequence[bool]) -> list[int]:
    """Return the frames in the order of their slices: plane by plane, stack by stack, volume by volume, by position.

    ``facts`` describe each frame.

    Of frames at one position the echoes, times and weightings tell to which volume each belongs, else the order in
    which they are stored. Frames that are ``last`` come last. Frames without a position come by their number in the
    stack, where all tell it, else as they are stored.
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
    """Return the stack and the number in it of every frame, or nothing where one has no number."""
    found = []
    for one in facts:
        number = fact(one, "InStackPositionNumber", 1)
        if number is None:
            return []
        found.append((_stack(one), number[0]))
    return found


def _stack(facts: list[Dataset]) -> str:
    return next(iter(told(facts, "StackID")), "").rjust(16)


def _contrast(facts: list[Dataset]) -> tuple[float, ...]:
    return tuple(next((found[0] for each in facts if (found := numbers(each, name))), 0.0) for name in _CONTRASTS)
