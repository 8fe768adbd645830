"""Whether the classes were cut in different planes, which tells the class without the tumour."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.probes import STRANGERS, WARNING, in_words, probe, probe_data_of
from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.datasets.labels import is_without_lesion
from gadolin.errors import ReadError
from gadolin.preprocessing.appearance import asymmetry, head_aspect
from gadolin.preprocessing.views import head_mask, shrunk
from gadolin.readers import open_file
from gadolin.records import NO_LESION, Finding

__all__ = ["check", "plane_of", "uneven"]

_AXES = ("sagittal", "coronal", "axial")  # the planes across the patient's left-right, front-back and long axis
_STRAIGHT = 0.8  # cosine of the normal to its axis: what is tilted by 37 degrees or more is called oblique
_SERIOUS, _WARNING = 0.5, 0.25  # of the share of a class's slices that would have to change their plane
_FEWEST = 10  # slices of a class whose plane is known


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return how differently the planes are shared out among the classes; a proxy where files do not tell planes."""
    planes = _planes(subject)
    labels = [record.label for record in subject.mine]
    known = [row for row, plane in enumerate(planes) if plane]
    counts = Counter(labels[row] for row in known)
    if len(subject.classes) > 1 and all(counts[name] >= _FEWEST for name in subject.classes):
        return _named_planes([planes[row] for row in known], [labels[row] for row in known])
    return _proxy(subject)


def plane_of(direction: Sequence[float]) -> str:
    """Return the plane whose normal, (3,) in the patient's left, back and head axes, is ``direction``.

    Empty where it has no length, "oblique" where no axis lies within 37 degrees.
    """
    sizes = [abs(one) for one in direction]
    length = float(np.linalg.norm(sizes))
    if length == 0:
        return ""
    return _AXES[int(np.argmax(sizes))] if max(sizes) / length > _STRAIGHT else "oblique"


def uneven(planes: Sequence[str], labels: Sequence[str]) -> tuple[float, str]:
    """Return the largest share of a class's slices that would have to change plane to be as the others', and the class.

    It is the total variation distance between the planes of that class and those of all other slices.
    """
    worst = (0.0, "")
    for name in sorted(set(labels)):
        own = Counter(plane for plane, label in zip(planes, labels, strict=True) if label == name)
        rest = Counter(plane for plane, label in zip(planes, labels, strict=True) if label != name)
        if rest:
            gaps = (abs(own[plane] / own.total() - rest[plane] / rest.total()) for plane in {*own, *rest})
            worst = max(worst, (sum(gaps) / 2, name))
    return worst


def _planes(subject: Subject) -> list[str]:
    """Return the plane of each slice under audit where its DICOM file tells it, else an empty string."""

    @lru_cache(maxsize=8)
    def plane_in_file(path: str) -> str:
        try:
            place = open_file(subject.mine[rows[path]].path).place
        except ReadError:
            return ""
        return plane_of(place.direction) if place is not None else ""

    rows = {str(record.path): row for row, record in enumerate(subject.mine)}
    return [
        plane_in_file(str(record.path)) if fact.format == "DICOM" else ""
        for record, fact in zip(subject.mine, subject.facts, strict=False)
    ]


def _named_planes(planes: Sequence[str], labels: Sequence[str]) -> list[Finding]:
    share, name = uneven(planes, labels)
    if share < _WARNING:
        return []
    own = Counter(plane for plane, label in zip(planes, labels, strict=True) if label == name)
    rest = Counter(plane for plane, label in zip(planes, labels, strict=True) if label != name)
    each = ", ".join(
        f"{plane} {100 * own[plane] / own.total():.0f} % against {100 * rest[plane] / rest.total():.0f} %"
        for plane in sorted({*own, *rest})
    )
    return [
        Finding(
            kind="plane",
            severity="serious" if share >= _SERIOUS else "warning",
            message=f"The slices of {name} were cut in other planes than those of the other classes: {each}.",
            rule=f"Planes of {counted(len(planes), 'slice')} by the normal that their DICOM files tell, oblique beyond "
            f"37 degrees; the score is the largest share of a class that would have to change plane, a warning from "
            f"{_WARNING}, serious from {_SERIOUS}.",
            remedy="Share the planes out evenly among the classes, or report figures for each plane by itself.",
            score=share,
        )
    ]


def _proxy(subject: Subject) -> list[Finding] | Skipped:
    """Return how well the class is predicted from the head's symmetry and aspect, which change with the plane.

    Slices without a tumour, which alone makes a head asymmetric, are left out where two classes have one.
    """
    without = _without_lesion(subject)
    lesions = [row for row, record in enumerate(subject.mine) if record.label not in without]
    alike = len({subject.mine[row].label for row in lesions}) > 1
    rows = lesions if alike else list(range(subject.own))
    asked = probe_data_of(subject).take(rows)
    if asked.missing:
        return Skipped(f"files do not tell their planes, and to guess, {asked.missing}")
    some = asked.take(asked.drawn)
    values = _shape(shrunk(subject.slices, [rows[place] for place in asked.drawn]))
    found = probe(values, some)
    if found.above < WARNING:
        return []
    middle = {name: np.median(values[some.targets == place], axis=0) for place, name in enumerate(some.classes)}
    each = ", ".join(f"{name} {one[0]:.2f} and {one[1]:.2f}" for name, one in middle.items())
    return [
        Finding(
            kind="plane",
            severity="warning" if alike else "note",
            message=f"Planes may differ between the classes: left-right asymmetry and the aspect of the head alone "
            f"tell the class in {in_words(found)}; their medians are {each}.",
            rule="A proxy: files here do not tell their plane. Asymmetry is the mean difference to the mirror image, "
            "over the spread of tones, the aspect the height of the head over its width, both on the prepared slice; "
            "sagittal slices are asymmetric, axial ones taller than wide. Probed as shortcuts are. A warning where the "
            f"interval's lower end is {WARNING} of the way from chance to 1; never serious, as a tumour "
            f"makes a head asymmetric too: {' and '.join(without) or 'a class without one'} is left out beside two "
            f"classes with a tumour, and reported in a note beside one. {STRANGERS} The score is the balanced "
            "accuracy.",
            remedy="Look at 20 slices of each class; where planes differ, share them out evenly or report figures for "
            "each plane by itself.",
            score=found.accuracy.value,
        )
    ]


def _without_lesion(subject: Subject) -> tuple[str, ...]:
    """Return the classes without a lesion: by their outlines where every slice says so, else by their names."""
    outlines = {name: {one.outline for one in subject.mine if one.label == name} for name in subject.classes}
    return tuple(name for name in subject.classes if outlines[name] == {NO_LESION} or is_without_lesion(name))


def _shape(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 2) float32 of (n, 64, 64) uint8: asymmetry over the spread of tones, height of the head over width."""
    rows = [(asymmetry(one) / max(float(one.std()) / 255, 1e-3), head_aspect(head_mask(one))) for one in small]
    return np.asarray(rows, np.float32)
