"""How well the class can be told without the tumour: from the file, from the background, from what is around it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gadolin.checks.facts import FileFacts
from gadolin.checks.probes import (
    SERIOUS,
    STRANGERS,
    WARNING,
    Probe,
    ProbeData,
    difference,
    in_words,
    probe,
    probe_data_of,
    severity,
)
from gadolin.checks.skipped import Skipped
from gadolin.checks.subject import Subject
from gadolin.checks.words import counted
from gadolin.preprocessing.views import BACKGROUND, background, painted_out, shrunk, thumbnails
from gadolin.records import Finding

__all__ = ["check", "file_columns", "tone_columns"]

_FILE = ("width", "height", "aspect", "mode", "format", "JPEG quality", "border")
_TONE = ("bytes per pixel", "mean tone")
_HOW = (
    "Extremely randomised trees, five folds of whole groups by patient and copy; balanced accuracy out of fold, its "
    f"interval by group. Serious where the interval's lower end is {SERIOUS} of the way from chance to 1 or more, a "
    f"warning from {WARNING}. {STRANGERS} The score is the balanced accuracy."
)


def check(subject: Subject) -> list[Finding] | Skipped:
    """Return what file facts, tones, the background and the picture with the tumour painted out tell of the class."""
    asked = probe_data_of(subject)
    if asked.missing:
        return Skipped(asked.missing)
    rows = asked.drawn
    some = asked.take(rows)
    facts = [subject.facts[row] for row in rows]
    file = probe(file_columns(facts), some, columns=_FILE)
    tone = probe(tone_columns(facts), some, columns=_TONE)
    outside = probe(background(shrunk(subject.slices, rows)), some, columns=BACKGROUND)
    return [*_from_file(file), *_from_tone(tone), *_from_background(outside), *_without_tumour(subject, asked)]


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


def _without_tumour(subject: Subject, asked: ProbeData) -> list[Finding]:
    """Compare pictures with and without their tumour, where outlines are known and enough of them."""
    outlines = subject.outlines
    if outlines is None:
        return []
    known = [row for row, record in enumerate(subject.mine) if record.outlined and outlines.known[row]]
    outlined = asked.take(known)
    if outlined.missing:
        return []
    chosen = [known[place] for place in outlined.drawn]
    some = asked.take(chosen)
    small = shrunk(subject.slices, chosen)
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
