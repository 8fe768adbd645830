"""Checks for blank, clipped, inverted, coloured and tiny images."""

from __future__ import annotations

from gadolin.checks.dataset import Dataset
from gadolin.checks.file_facts import FileFacts
from gadolin.checks.wording import flagged
from gadolin.records import Finding

__all__ = ["blank", "clipped", "coloured", "inverted", "tiny"]

_PLAIN = 0.02
_FAINT = 8 / 255  # of the range; below, contrast stretching reveals nothing


def blank(dataset: Dataset) -> list[Finding]:
    """Return a warning with the uniform pictures, and one with the pictures that use little of their range."""
    plain = [row for row, facts in enumerate(dataset.facts[: dataset.n_records]) if facts.deviation < _PLAIN]
    faint = [row for row in plain if _is_faint(dataset.facts[row])]
    bare = [row for row in plain if not _is_faint(dataset.facts[row])]
    return [
        *flagged(
            dataset,
            bare,
            Finding(
                kind="blank",
                severity="warning",
                message="are blank: their intensity is almost uniform.",
                rule=f"The standard deviation of the intensities is below {100 * _PLAIN:.0f} % of their range; the "
                "score is the number of slices.",
                remedy="Open them in a viewer. Remove the ones that are uniform there too; if a viewer shows anatomy, "
                "Gadolin reads the file incorrectly: keep it and report it.",
            ),
        ),
        *flagged(
            dataset,
            faint,
            Finding(
                kind="blank",
                severity="warning",
                message="look blank because they use only a small part of their intensity range.",
                rule=f"The standard deviation of the intensities is below {100 * _PLAIN:.0f} % of their range, but "
                "contrast stretching reveals structure; the score is the number of slices.",
                remedy="Do not remove them: export them again from the original with its window; 12-bit images cut "
                "down to 8 bits look like this.",
            ),
        ),
    ]


def _is_faint(facts: FileFacts) -> bool:
    """Return whether contrast stretching would reveal structure in an almost uniform picture."""
    return facts.used >= _FAINT and facts.deviation >= _PLAIN * facts.used


_SHARE = 0.05  # of all pixels


def clipped(dataset: Dataset) -> list[Finding]:
    """Return a warning with the pictures that have many saturated pixels, except blank and inverted ones."""
    rows = [
        row
        for row, facts in enumerate(dataset.facts[: dataset.n_records])
        if facts.white > _SHARE and not facts.inverted and facts.black + facts.white < 1
    ]
    template = Finding(
        kind="clipped",
        severity="warning",
        message="are clipped: intensities above white are lost.",
        rule=f"More than {100 * _SHARE:.0f} % of the pixels have the highest value; the score is the number of slices.",
        remedy="Inspect them. Export them again with a wider window; a uniformly white skull means CT, not MRI.",
    )
    return flagged(dataset, rows, template)


def inverted(dataset: Dataset) -> list[Finding]:
    """Return a warning with the pictures whose background is bright."""
    rows = [row for row, facts in enumerate(dataset.facts[: dataset.n_records]) if facts.inverted]
    template = Finding(
        kind="inverted",
        severity="warning",
        message="have a bright background: they are negatives, or scanned from a printed page.",
        rule="The outermost 4 % of the picture are brighter than 60 % of white and brighter than the rest; in MRI this "
        "is air, which is black. The score is the number of slices.",
        remedy="Open them in a viewer. Invert real negatives and crop printed pages; if a viewer shows a dark "
        "background, Gadolin reads the file incorrectly: keep it and report it.",
    )
    return flagged(dataset, rows, template)


def coloured(dataset: Dataset) -> list[Finding]:
    """Return a warning with the colour images, such as colour maps, annotations and screenshots."""
    rows = [row for row, facts in enumerate(dataset.facts[: dataset.n_records]) if facts.colour]
    template = Finding(
        kind="coloured",
        severity="warning",
        message="are colour images; MRI slices are greyscale.",
        rule="In more than 2 % of the pixels two colour channels differ by more than 24 of 255; the score is the "
        "number of slices.",
        remedy="Look for colour maps and burnt-in arrows and text, often at the tumour; use the originals.",
    )
    return flagged(dataset, rows, template)


_SIDE = 128  # pixels


def tiny(dataset: Dataset) -> list[Finding]:
    """Return a warning with the pictures of few pixels."""
    rows = [
        row for row, facts in enumerate(dataset.facts[: dataset.n_records]) if min(facts.width, facts.height) < _SIDE
    ]
    template = Finding(
        kind="tiny",
        severity="warning",
        message=f"are tiny: one side has fewer than {_SIDE} pixels.",
        rule=f"The shorter side is below {_SIDE} pixels, half the side of a prepared slice; the score is the number of "
        "slices.",
        remedy="Use the originals; upscaling restores no detail, and the image size itself may predict the class.",
    )
    return flagged(dataset, rows, template)
