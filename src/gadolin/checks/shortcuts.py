"""How well the class is predicted without the tumour: by the file, the background, what is around it, the plane."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.dataset import Dataset
from gadolin.checks.file_facts import FileFacts
from gadolin.checks.probes import (
    SERIOUS,
    UNKNOWN_PATIENTS,
    WARNING,
    Probe,
    ProbeData,
    difference,
    in_words,
    probe,
    probe_data_of,
    severity,
)
from gadolin.checks.registry import Skipped
from gadolin.checks.wording import counted
from gadolin.datasets.labels import is_without_lesion
from gadolin.errors import ReadError
from gadolin.preprocessing.appearance import asymmetry, head_aspect
from gadolin.preprocessing.views import BACKGROUND, background, head_mask, painted_out, shrunk, thumbnails
from gadolin.readers import open_file
from gadolin.records import NO_LESION, Finding

__all__ = ["file_columns", "plane", "plane_of", "shortcuts", "tone_columns", "uneven"]

_FILE = ("width", "height", "aspect", "mode", "format", "JPEG quality", "border")
_TONE = ("bytes per pixel", "mean tone")
_HOW = (
    "Extremely randomised trees, five folds of whole groups by patient and copy; balanced accuracy out of fold, its "
    f"interval by group. Serious where the interval's lower end is {SERIOUS} of the way from chance to 1 or more, a "
    f"warning from {WARNING}. {UNKNOWN_PATIENTS} The score is the balanced accuracy."
)


def shortcuts(dataset: Dataset) -> list[Finding] | Skipped:
    """Return what file facts, tones, the background and the picture with the tumour painted out tell of the class."""
    asked = probe_data_of(dataset)
    if asked.missing:
        return Skipped(asked.missing)
    rows = asked.drawn
    some = asked.take(rows)
    facts = [dataset.facts[row] for row in rows]
    file = probe(file_columns(facts), some, columns=_FILE)
    tone = probe(tone_columns(facts), some, columns=_TONE)
    outside = probe(background(shrunk(dataset.slices, rows)), some, columns=BACKGROUND)
    return [*_from_file(file), *_from_tone(tone), *_from_background(outside), *_without_tumour(dataset, asked)]


def file_columns(facts: Sequence[FileFacts]) -> NDArray[np.float32]:
    """Return (N, 7) float32: width, height, aspect, mode, format, JPEG quality and tone of the border.

    Modes and formats are numbered in the order of their names, the quality of what is no JPEG is -1.
    """
    modes, formats = sorted({one.mode for one in facts}), sorted({one.format for one in facts})
    rows = [
        (
            one.width,
            one.height,
            one.width / one.height,
            modes.index(one.mode),
            formats.index(one.format),
            -1.0 if one.quality is None else one.quality,
            one.border,
        )
        for one in facts
    ]
    return np.asarray(rows, np.float32)


def tone_columns(facts: Sequence[FileFacts]) -> NDArray[np.float32]:
    """Return (N, 2) float32: bytes per pixel and mean tone, which file and anatomy set together."""
    return np.asarray([(one.size_bytes / (one.width * one.height), one.mean) for one in facts], np.float32)


def _from_file(found: Probe) -> list[Finding]:
    return _shortcut(
        found,
        severity(found),
        "Without a look at the brain, file facts alone tell the class",
        rule=f"Told from {', '.join(_FILE)}; a fact tells what the accuracy loses where it is shuffled.",
        remedy="Bring all classes into one size, format and quality from one source, or report beside your accuracy "
        "what these facts alone give.",
    )


def _from_tone(found: Probe) -> list[Finding]:
    return _shortcut(
        found,
        "note" if found.above < WARNING else "warning",
        f"{' and '.join(_TONE).capitalize()}, which the brain sets as well as the file, tell the class",
        rule=f"Told from {' and '.join(_TONE)}. Rendering and compression set them, and so does what the slice shows, "
        "the tumour included: never serious.",
        remedy="Render all classes with one window and save them in one way; report beside your accuracy what these "
        "numbers alone give.",
    )


def _from_background(found: Probe) -> list[Finding]:
    return _shortcut(
        found,
        severity(found),
        "With the head cut out, the background alone tells the class",
        rule="Told from tones, grain and a small picture of what lies outside the convex hull of the head in the "
        "prepared slice.",
        remedy="Set the background to black before training (noise, writing and borders stand there), or test on "
        "pictures of another source.",
    )


def _shortcut(found: Probe, weight: str, claim: str, *, rule: str, remedy: str) -> list[Finding]:
    """Return the finding that a probe tells the class; none where it does no better than chance."""
    if found.above <= 0:
        return []
    return [
        Finding(
            kind="shortcuts",
            severity=weight,
            message=f"{claim} in {in_words(found)}; the most telling {_telling(found)}.",
            rule=f"{rule} {_HOW}",
            remedy=remedy,
            score=found.accuracy.value,
        )
    ]


def _without_tumour(dataset: Dataset, asked: ProbeData) -> list[Finding]:
    """Compare pictures with and without their tumour, where outlines are known and enough of them."""
    outlines = dataset.outlines
    if outlines is None:
        return []
    known = [row for row, record in enumerate(dataset.records) if record.outlined and outlines.known[row]]
    outlined = asked.take(known)
    if outlined.missing:
        return []
    chosen = [known[place] for place in outlined.drawn]
    some = asked.take(chosen)
    small = shrunk(dataset.slices, chosen)
    whole = probe(thumbnails(small), some)
    without = probe(thumbnails(painted_out(small, outlines.coverage[chosen])), some)
    if without.above <= 0:
        return []
    lost = difference(without, whole, some)
    spread = "" if lost.low is None or lost.high is None else f" ({100 * lost.low:+.0f} to {100 * lost.high:+.0f})"
    return [
        Finding(
            kind="shortcuts",
            severity=severity(without),
            message=f"With the tumour painted out the class is still predicted in {in_words(without)}; as they are, "
            f"the same {counted(len(chosen), 'picture')} give {100 * (whole.accuracy.value or 0):.0f} %, a difference "
            f"of {100 * (lost.value or 0):+.0f} points{spread}.",
            rule="Pictures of 16 x 16 pixels, as they are and with the outline and what is just around it painted over "
            f"from its rim (Telea, 2004). {_HOW}",
            remedy="Read the accuracy beside this figure: it holds plane, place and source of the slices; look whether "
            "heat maps fall on the tumour, and balance planes between the classes.",
            score=without.accuracy.value,
        )
    ]


def _telling(found: Probe) -> str:
    """Return the most telling column with what it is worth, and the next where that is worth half as much."""
    (first, worth), *rest = found.telling
    named = f"is {first} (worth {100 * worth:.0f} points)"
    if rest and rest[0][1] >= worth / 2 > 0:
        named += f", then {rest[0][0]} ({100 * rest[0][1]:.0f})"
    return named


_AXES = ("sagittal", "coronal", "axial")  # the planes across the patient's left-right, front-back and long axis
_STRAIGHT = 0.8  # cosine of the normal to its axis: what is tilted by 37 degrees or more is called oblique
_SERIOUS, _WARNING = 0.5, 0.25  # of the share of a class's slices that would have to change their plane
_FEWEST = 10  # slices of a class whose plane is known


def plane(dataset: Dataset) -> list[Finding] | Skipped:
    """Return how differently the planes are shared out among the classes; a proxy where files do not tell planes."""
    planes = _planes(dataset)
    labels = [record.label for record in dataset.records]
    known = [row for row, plane in enumerate(planes) if plane]
    counts = Counter(labels[row] for row in known)
    if len(dataset.classes) > 1 and all(counts[name] >= _FEWEST for name in dataset.classes):
        return _named_planes([planes[row] for row in known], [labels[row] for row in known])
    return _proxy(dataset)


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


def _planes(dataset: Dataset) -> list[str]:
    """Return the plane of each slice under audit where its DICOM file tells it, else an empty string."""

    @lru_cache(maxsize=8)
    def plane_in_file(path: str) -> str:
        try:
            place = open_file(dataset.records[rows[path]].path).place
        except ReadError:
            return ""
        return plane_of(place.direction) if place is not None else ""

    rows = {str(record.path): row for row, record in enumerate(dataset.records)}
    return [
        plane_in_file(str(record.path)) if fact.format == "DICOM" else ""
        for record, fact in zip(dataset.records, dataset.facts, strict=False)
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


def _proxy(dataset: Dataset) -> list[Finding] | Skipped:
    """Return how well the class is predicted from the head's symmetry and aspect, which change with the plane.

    Slices without a tumour, which alone makes a head asymmetric, are left out where two classes have one.
    """
    without = _without_lesion(dataset)
    lesions = [row for row, record in enumerate(dataset.records) if record.label not in without]
    alike = len({dataset.records[row].label for row in lesions}) > 1
    rows = lesions if alike else list(range(dataset.n_records))
    asked = probe_data_of(dataset).take(rows)
    if asked.missing:
        return Skipped(f"files do not tell their planes, and to guess, {asked.missing}")
    some = asked.take(asked.drawn)
    values = _shape(shrunk(dataset.slices, [rows[place] for place in asked.drawn]))
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
            f"classes with a tumour, and reported in a note beside one. {UNKNOWN_PATIENTS} The score is the balanced "
            "accuracy.",
            remedy="Look at 20 slices of each class; where planes differ, share them out evenly or report figures for "
            "each plane by itself.",
            score=found.accuracy.value,
        )
    ]


def _without_lesion(dataset: Dataset) -> tuple[str, ...]:
    """Return the classes without a lesion: by their outlines where every slice says so, else by their names."""
    outlines = {name: {one.outline for one in dataset.records if one.label == name} for name in dataset.classes}
    return tuple(name for name in dataset.classes if outlines[name] == {NO_LESION} or is_without_lesion(name))


def _shape(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 2) float32 of (n, 64, 64) uint8: asymmetry over the spread of tones, height of the head over width."""
    rows = [(asymmetry(one) / max(float(one.std()) / 255, 1e-3), head_aspect(head_mask(one))) for one in small]
    return np.asarray(rows, np.float32)
