"""Checks for shortcuts: how well the file, the background, the surroundings or the plane predict the class."""

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
from gadolin.datasets.labels import class_name, is_without_lesion
from gadolin.errors import ReadError
from gadolin.preprocessing.appearance import asymmetry, head_aspect
from gadolin.preprocessing.views import BACKGROUND, background, head_mask, painted_out, shrunk, thumbnails
from gadolin.readers import open_file
from gadolin.records import NO_LESION, Finding

__all__ = ["file_columns", "plane", "plane_of", "shortcuts", "tone_columns", "uneven"]

_FILE = ("width", "height", "aspect", "mode", "format", "JPEG quality", "border")
_TONE = ("bytes per pixel", "mean tone")
_HOW = (
    "Extremely randomised trees, five folds of whole groups by patient and copy; balanced accuracy out of fold, "
    f"interval by group. Serious if the interval's lower end is at least {SERIOUS} of the way from chance to 1, a "
    f"warning from {WARNING}. {UNKNOWN_PATIENTS} The score is the balanced accuracy."
)


def shortcuts(dataset: Dataset) -> list[Finding] | Skipped:
    """Return how well file properties, tones, the background and pictures without the tumour predict the class."""
    data = probe_data_of(dataset)
    if data.missing:
        return Skipped(data.missing)
    rows = data.drawn
    sample = data.take(rows)
    facts = [dataset.facts[row] for row in rows]
    file = probe(file_columns(facts), sample, columns=_FILE)
    tone = probe(tone_columns(facts), sample, columns=_TONE)
    outside = probe(background(shrunk(dataset.slices, rows)), sample, columns=BACKGROUND)
    return [*_from_file(file), *_from_tone(tone), *_from_background(outside), *_without_tumour(dataset, data)]


def file_columns(facts: Sequence[FileFacts]) -> NDArray[np.float32]:
    """Return (N, 7) float32: width, height, aspect, mode, format, JPEG quality and tone of the border.

    Modes and formats are numbered in alphabetical order; the quality is -1 for formats other than JPEG.
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
    """Return (N, 2) float32: bytes per pixel and mean tone, which depend on both file and anatomy."""
    return np.asarray([(one.size_bytes / (one.width * one.height), one.mean) for one in facts], np.float32)


def _from_file(found: Probe) -> list[Finding]:
    return _shortcut(
        found,
        severity(found),
        "File properties alone, without the brain, predict the class",
        rule=f"Predicted from {', '.join(_FILE)}; a property is worth the accuracy lost when it is shuffled.",
        remedy="Convert all classes to one size, format and quality from one source, or report this figure beside your "
        "accuracy.",
    )


def _from_tone(found: Probe) -> list[Finding]:
    return _shortcut(
        found,
        "note" if found.above < WARNING else "warning",
        f"{' and '.join(_TONE).capitalize()}, which depend on the brain as well as the file, predict the class",
        rule=f"Predicted from {' and '.join(_TONE)}. They depend on rendering and compression, but also on the anatomy "
        "and the tumour: at most a warning.",
        remedy="Render all classes with one window and save them in one way; report this figure beside your accuracy.",
    )


def _from_background(found: Probe) -> list[Finding]:
    return _shortcut(
        found,
        severity(found),
        "The background alone, with the head masked out, predicts the class",
        rule="Predicted from tones, grain and a thumbnail of the area outside the convex hull of the head in the "
        "prepared slice.",
        remedy="Set the background to black before training (it holds noise, text and borders), or test on pictures of "
        "another source.",
    )


def _shortcut(found: Probe, weight: str, claim: str, *, rule: str, remedy: str) -> list[Finding]:
    """Return the finding of a probe; none where it is no better than chance."""
    if found.above <= 0:
        return []
    return [
        Finding(
            kind="shortcuts",
            severity=weight,
            message=f"{claim} with a balanced accuracy of {in_words(found)}; the most informative is "
            f"{_telling(found)}.",
            rule=f"{rule} {_HOW}",
            remedy=remedy,
            score=found.accuracy.value,
        )
    ]


def _without_tumour(dataset: Dataset, data: ProbeData) -> list[Finding]:
    """Compare pictures with and without their tumour, where enough outlines are known."""
    outlines = dataset.outlines
    if outlines is None:
        return []
    known = [row for row, record in enumerate(dataset.records) if record.outlined and outlines.known[row]]
    outlined = data.take(known)
    if outlined.missing:
        return []
    chosen = [known[place] for place in outlined.drawn]
    sample = data.take(chosen)
    small = shrunk(dataset.slices, chosen)
    whole = probe(thumbnails(small), sample)
    without = probe(thumbnails(painted_out(small, outlines.coverage[chosen])), sample)
    if without.above <= 0:
        return []
    lost = difference(without, whole, sample)
    spread = "" if lost.low is None or lost.high is None else f" ({100 * lost.low:+.0f} to {100 * lost.high:+.0f})"
    return [
        Finding(
            kind="shortcuts",
            severity=severity(without),
            message="With the tumour painted out, the class is still predicted with a balanced accuracy of "
            f"{in_words(without)}; the same {counted(len(chosen), 'picture')} with the tumour give "
            f"{100 * (whole.accuracy.value or 0):.0f} %, a difference of {100 * (lost.value or 0):+.0f} "
            f"points{spread}.",
            rule="Pictures of 16 x 16 pixels, with the tumour, and with the outline and its rim inpainted (Telea, "
            f"2004). {_HOW}",
            remedy="Compare the accuracy with this figure, which reflects plane, position and source of the slices; "
            "check that heat maps fall on the tumour, and balance the planes among the classes.",
            score=without.accuracy.value,
        )
    ]


def _telling(found: Probe) -> str:
    """Return the most informative column with its worth, and the next if it is worth at least half as much."""
    (first, worth), *rest = found.telling
    text = f"{first} (worth {100 * worth:.0f} points)"
    if rest and rest[0][1] >= worth / 2 > 0:
        text += f", then {rest[0][0]} ({100 * rest[0][1]:.0f})"
    return text


_AXES = ("sagittal", "coronal", "axial")  # the planes across the patient's left-right, front-back and long axis
_STRAIGHT = 0.8  # cosine between normal and axis: planes tilted by 37 degrees or more are oblique
_SERIOUS, _WARNING = 0.5, 0.25  # share of a class's slices that would have to change plane
_FEWEST = 10  # slices of a class with a known plane


def plane(dataset: Dataset) -> list[Finding] | Skipped:
    """Return how unevenly the planes are distributed among the classes; a proxy where files do not give the plane."""
    planes = _planes(dataset)
    labels = [record.label for record in dataset.records]
    known = [row for row, plane in enumerate(planes) if plane]
    counts = Counter(labels[row] for row in known)
    if len(dataset.classes) > 1 and all(counts[name] >= _FEWEST for name in dataset.classes):
        return _named_planes([planes[row] for row in known], [labels[row] for row in known])
    return _proxy(dataset)


def plane_of(direction: Sequence[float]) -> str:
    """Return the plane whose normal, (3,) in the patient's left, back and head axes, is ``direction``.

    Empty for a zero vector, "oblique" where no axis is within 37 degrees.
    """
    sizes = [abs(one) for one in direction]
    length = float(np.linalg.norm(sizes))
    if length == 0:
        return ""
    return _AXES[int(np.argmax(sizes))] if max(sizes) / length > _STRAIGHT else "oblique"


def uneven(planes: Sequence[str], labels: Sequence[str]) -> tuple[float, str]:
    """Return the largest share of a class's slices that would have to change plane to match the others, and the class.

    This is the total variation distance between the planes of that class and those of all other slices.
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
    """Return the plane of each slice under audit from its DICOM file, else an empty string."""

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
            message=f"Slices of {class_name(name)} have other planes than those of the other classes: {each}.",
            rule=f"Planes of {counted(len(planes), 'slice')} from the normal in their DICOM files, oblique beyond "
            f"37 degrees; the score is the largest share of a class that would have to change plane to match the "
            f"others, a warning from {_WARNING}, serious from {_SERIOUS}.",
            remedy="Balance the planes among the classes, or report the metrics of each plane.",
            score=share,
        )
    ]


def _proxy(dataset: Dataset) -> list[Finding] | Skipped:
    """Return how well the symmetry and aspect of the head, which depend on the plane, predict the class.

    A tumour also makes a head asymmetric, so classes without one are excluded if two classes with a tumour remain.
    """
    without = _without_lesion(dataset)
    lesions = [row for row, record in enumerate(dataset.records) if record.label not in without]
    alike = len({dataset.records[row].label for row in lesions}) > 1
    rows = lesions if alike else list(range(dataset.n_records))
    data = probe_data_of(dataset).take(rows)
    if data.missing:
        return Skipped(f"the files do not give the plane, and the proxy is not possible: {data.missing}")
    sample = data.take(data.drawn)
    values = _shape(shrunk(dataset.slices, [rows[place] for place in data.drawn]))
    found = probe(values, sample)
    if found.above < WARNING:
        return []
    middle = {name: np.median(values[sample.targets == place], axis=0) for place, name in enumerate(sample.classes)}
    each = ", ".join(f"{class_name(name)} {one[0]:.2f} and {one[1]:.2f}" for name, one in middle.items())
    return [
        Finding(
            kind="plane",
            severity="warning" if alike else "note",
            message="Planes may differ between the classes: left-right asymmetry and the aspect of the head alone "
            f"predict the class with a balanced accuracy of {in_words(found)}; their medians are {each}.",
            rule="A proxy, as the files do not give the plane. Asymmetry is the mean difference to the mirror image "
            "over the spread of tones; aspect is the height of the head over its width, both on the prepared slice. "
            "Sagittal slices are asymmetric, axial ones taller than wide. The method is that of shortcuts. A warning "
            f"from {WARNING} of the way from chance to 1 (lower end of the interval), never serious, as a tumour also "
            f"makes a head asymmetric: {' and '.join(map(class_name, without)) or 'a class without lesion'} is "
            "excluded if there are two classes with a tumour; with only one, the finding is a note. "
            f"{UNKNOWN_PATIENTS} The score is the balanced accuracy.",
            remedy="Inspect 20 slices of each class; if planes differ, balance them among the classes or report the "
            "metrics of each plane.",
            score=found.accuracy.value,
        )
    ]


def _without_lesion(dataset: Dataset) -> tuple[str, ...]:
    """Return the classes without lesion: by outline if every slice is marked so, else by name."""
    outlines = {name: {one.outline for one in dataset.records if one.label == name} for name in dataset.classes}
    return tuple(name for name in dataset.classes if outlines[name] == {NO_LESION} or is_without_lesion(name))


def _shape(small: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (n, 2) float32 of (n, 64, 64) uint8: asymmetry over the spread of tones, height of the head over width."""
    rows = [(asymmetry(one) / max(float(one.std()) / 255, 1e-3), head_aspect(head_mask(one))) for one in small]
    return np.asarray(rows, np.float32)
