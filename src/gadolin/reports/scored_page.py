"""The page of scored explanations: which method to trust, then every figure; one HTML file that stands alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from gadolin.explanations.registry import METHODS
from gadolin.explanations.scoring.score import FAITHFUL, MEASURES
from gadolin.explanations.scoring.summary import BEATEN_BY, Line
from gadolin.files.atomic import write_bytes
from gadolin.metrics.bootstrap import Interval
from gadolin.records import NOTICE
from gadolin.reports.drawings import inline, load
from gadolin.reports.page import environment

__all__ = ["write_scores_page"]

_CUTS = {
    "all": "All slices",
    "class": "By the class that was named",
    "size": "By the size of the lesion",
    "answer": "Right and wrong answers apart",
}

Cell = tuple[str, str]


def write_scores_page(path: Path, title: str, facts: Mapping[str, str], lines: Sequence[Line]) -> Path:
    """Write the page of ``lines``, whole or not at all; it loads nothing, so it can be mailed or archived alone.

    ``facts`` say what was scored and how. Raises MissingExtraError where matplotlib or jinja2 is not installed,
    OutputError where the file cannot be written.
    """
    whole = [line for line in lines if line.of == "all"]
    figure = load("gadolin.reports.figures").pointing_by_method(
        {line.method: line.figures["pointing"] for line in whole}, BEATEN_BY
    )
    html: str = (
        environment()
        .get_template("explanations.html.jinja")
        .render(
            notice=NOTICE,
            title=title,
            created=date.today().isoformat(),
            facts=facts,
            verdict=_verdict(whole),
            doubts=_doubts(lines),
            figure=inline(figure),
            measures=(*MEASURES, *FAITHFUL),
            tables=[
                (heading, of != "all", [_row(line) for line in lines if line.of == of]) for of, heading in _CUTS.items()
            ],
        )
    )
    write_bytes(path, html.encode("utf-8", "backslashreplace"))
    return path


def _verdict(whole: Sequence[Line]) -> str:
    """Return which method points best, and what the middle of the head does on the same slices."""
    own = [line for line in whole if line.method in METHODS]
    if not own:
        return "No method was scored, only maps that know nothing of the model."
    best = max(own, key=lambda line: line.figures["pointing"].value or 0.0)
    said = f"The hottest pixel of {best.method} lies in the lesion in {_share(best)} of {best.n} slices"
    prior = next((line for line in whole if line.method == BEATEN_BY), None)
    return f"{said}." if prior is None else f"{said}; the middle of the head does in {_share(prior)} of {prior.n}."


def _doubts(lines: Sequence[Line]) -> list[str]:
    """Return a sentence for each method that points no better than the middle of the head, and for which classes."""
    told: dict[str, list[str]] = {}
    for line in lines:
        if line.below_prior and line.method in METHODS and line.of in ("all", "class"):
            told.setdefault(line.method, []).append("all slices" if line.of == "all" else line.value)
    return [
        f"Do not trust {method} for {', '.join(where)}: it points into the lesion no more often than the middle of the "
        "head does."
        for method, where in told.items()
    ]


def _share(line: Line) -> str:
    one = line.figures["pointing"]
    return f"{100 * (one.value or 0.0):.1f} % ({_span(one, 100, 1)})"


def _row(line: Line) -> tuple[str, str, str, bool, list[Cell]]:
    """Return method, value, number of slices, whether it is in doubt, and a cell for each measure."""
    cells = [
        (f"{line.figures[name].value or 0.0:.3f}", _span(line.figures[name], 1, 3))
        if name in line.figures
        else ("", "")
        for name in (*MEASURES, *FAITHFUL)
    ]
    return line.method, line.value, str(line.n), line.below_prior and line.method in METHODS, cells


def _span(one: Interval, factor: float, places: int) -> str:
    if one.low is None or one.high is None:
        return ""
    return f"{factor * one.low:.{places}f}-{factor * one.high:.{places}f}"
