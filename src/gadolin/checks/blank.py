"""Pictures that show nothing, or so faintly that nobody sees it."""

from __future__ import annotations

from gadolin.checks.facts import FileFacts
from gadolin.checks.subject import Subject
from gadolin.checks.words import flagged
from gadolin.records import Finding

__all__ = ["check"]

_PLAIN = 0.02
_FAINT = 8 / 255  # of the range: what uses less of it shows nothing however it is stretched


def check(subject: Subject) -> list[Finding]:
    """Return a warning with the pictures of almost one tone, and one with those that use little of their range."""
    plain = [row for row, facts in enumerate(subject.facts[: subject.own]) if facts.deviation < _PLAIN]
    faint = [row for row in plain if _is_faint(subject.facts[row])]
    bare = [row for row in plain if not _is_faint(subject.facts[row])]
    return [
        *flagged(
            subject,
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
            subject,
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
