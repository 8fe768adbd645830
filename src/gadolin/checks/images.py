"""Images that are blank, clipped, inverted, in colour or tiny."""

from __future__ import annotations

from gadolin.checks.dataset import Dataset
from gadolin.checks.file_facts import FileFacts
from gadolin.checks.wording import flagged
from gadolin.records import Finding

__all__ = ["blank", "clipped", "coloured", "inverted", "tiny"]

_PLAIN = 0.02
_FAINT = 8 / 255  # of the range: what uses less of it shows nothing however it is stretched


def blank(dataset: Dataset) -> list[Finding]:
    """Return a warning with the pictures of almost one tone, and one with those that use little of their range."""
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
                message="show nothing: they are of almost one tone.",
                rule=f"The standard deviation of the intensities is below {100 * _PLAIN:.0f} % of their range; the "
                "score is the number of slices.",
                remedy="Open them in a viewer. Remove those that are of one tone there too; where a viewer shows "
                "anatomy, the file is read wrongly: keep it and report it.",
            ),
        ),
        *flagged(
            dataset,
            faint,
            Finding(
                kind="blank",
                severity="warning",
                message="are so faint that they look blank: they use a small part of their range.",
                rule=f"The standard deviation of the intensities is below {100 * _PLAIN:.0f} % of their range, and "
                "they differ enough to show something when stretched; the score is the number of slices.",
                remedy="Do not remove them: export them again from the original with its window, as 12 bits that were "
                "cut down to 8 look like this.",
            ),
        ),
    ]


def _is_faint(facts: FileFacts) -> bool:
    """Return whether a picture of almost one tone would show something if it were stretched to its range."""
    return facts.used >= _FAINT and facts.deviation >= _PLAIN * facts.used


_SHARE = 0.05  # of all pixels


def clipped(dataset: Dataset) -> list[Finding]:
    """Return a warning with the pictures of which much is as bright as can be, blank and inverted ones aside."""
    rows = [
        row
        for row, facts in enumerate(dataset.facts[: dataset.n_records])
        if facts.white > _SHARE and not facts.inverted and facts.black + facts.white < 1
    ]
    template = Finding(
        kind="clipped",
        severity="warning",
        message="are clipped: what was brighter than white is lost in them.",
        rule=f"More than {100 * _SHARE:.0f} % of the pixels have the highest value; the score is the number of slices.",
        remedy="Look at them. Export them again with a wider window; a skull that is white all over is CT, which "
        "does not belong here.",
    )
    return flagged(dataset, rows, template)


def inverted(dataset: Dataset) -> list[Finding]:
    """Return a warning with the pictures whose background is bright."""
    rows = [row for row, facts in enumerate(dataset.facts[: dataset.n_records]) if facts.inverted]
    template = Finding(
        kind="inverted",
        severity="warning",
        message="have a bright background: they are negatives, or cut from a printed page.",
        rule="The outermost 4 % of the picture are brighter than 60 % of white and brighter than the rest, where MRI "
        "shows air, which is black; the score is the number of slices.",
        remedy="Look at them in a viewer too. Invert what is a negative there as well, and cut the pages; where a "
        "viewer shows a dark background, the file is read wrongly: keep it and report it.",
    )
    return flagged(dataset, rows, template)


def coloured(dataset: Dataset) -> list[Finding]:
    """Return a warning with the pictures that show true colours: maps, marks, screenshots."""
    rows = [row for row, facts in enumerate(dataset.facts[: dataset.n_records]) if facts.colour]
    template = Finding(
        kind="coloured",
        severity="warning",
        message="show true colours, which no MRI slice has.",
        rule="In more than 2 % of the pixels two colour channels differ by more than 24 of 255; the score is the "
        "number of slices.",
        remedy="Look for colour maps, arrows and text that were burnt in, often where the tumour is; use the original.",
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
        rule=f"The shorter side is below {_SIDE} pixels, half of what a slice is prepared to; the score is the number "
        "of slices.",
        remedy="Take the originals; enlarging brings no detail back, and size itself may tell the class.",
    )
    return flagged(dataset, rows, template)
