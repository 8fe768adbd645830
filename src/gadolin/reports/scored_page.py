"""Self-contained HTML page of scored explanations: which method to trust, then all metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from gadolin.datasets.labels import class_name
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
    "all": ("All slices", ""),
    "class": ("By predicted class", "predicted class"),
    "size": ("By lesion size", "lesion size"),
    "answer": ("Correct and wrong predictions", "prediction"),
}

_DEFINITIONS = {
    "pointing": "whether the hottest pixel is in the outline",
    "energy": "share of the positive heat in the outline",
    "iou": "intersection over union of the outline and the pixels above half of the maximum",
    "auprc": "average precision over pixels",
    "dice": "Dice overlap of the outline and the pixels with heat above 0",
    "deletion": "mean probability of the class while pixels are removed, hottest first; lower is better",
    "insertion": "the same while the pixels are added back; higher is better",
}

Cell = tuple[str, str]


def write_scores_page(path: Path, title: str, facts: Mapping[str, str], lines: Sequence[Line]) -> Path:
    """Write the self-contained page of ``lines``, atomically.

    ``facts`` describe what was scored and how. Raises MissingExtraError where matplotlib or jinja2 is not installed,
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
            measures=[name for name in (*MEASURES, *FAITHFUL) if _scored(whole, name)],
            tables=[(of, *words, rows) for of, words in _CUTS.items() if (rows := _rows(lines, of))],
            definitions={name: words for name, words in _DEFINITIONS.items() if _scored(whole, name)},
            baselines=_baselines(whole),
        )
    )
    write_bytes(path, html.encode("utf-8", "backslashreplace"))
    return path


def _verdict(whole: Sequence[Line]) -> str:
    """Return which method points best, and how the centre of the head scores on the same slices."""
    methods = [line for line in whole if line.method in METHODS]
    if not methods:
        return "No method was scored, only baselines that do not use the model."
    best = max(methods, key=lambda line: line.figures["pointing"].value or 0.0)
    text = f"In {_share(best)} of {best.n} slices, the hottest pixel of the map by {best.method} is in the lesion"
    prior = next((line for line in whole if line.method == BEATEN_BY), None)
    return f"{text}." if prior is None else f"{text}; the centre of the head is in it in {_share(prior)}."


def _doubts(lines: Sequence[Line]) -> list[str]:
    """Return a sentence for each method that points no better than the centre of the head, with the classes."""
    doubted: dict[str, list[str]] = {}
    for line in lines:
        if line.below_prior and line.method in METHODS and line.of in ("all", "class"):
            doubted.setdefault(line.method, []).append("all slices" if line.of == "all" else class_name(line.value))
    return [
        f"Do not trust {method} for {', '.join(where)}: it points into the lesion no more often than the centre of the "
        "head."
        for method, where in doubted.items()
    ]


def _share(line: Line) -> str:
    one = line.figures["pointing"]
    return f"{100 * (one.value or 0.0):.1f} % ({_span(one, 100, 1)})"


def _scored(whole: Sequence[Line], name: str) -> bool:
    return any(name in line.figures for line in whole)


def _baselines(whole: Sequence[Line]) -> str:
    """Return a sentence on the methods that do not use the model, if any were scored."""
    names = [line.method for line in whole if line.method not in METHODS]
    if not names:
        return ""
    return f"Baselines that do not use the model: {', '.join(names)}."


def _rows(lines: Sequence[Line], of: str) -> list[tuple[str, str, str, bool, list[Cell]]]:
    """Return method, value, number of slices, whether it is doubtful, and a cell for each measure, of each line."""
    chosen = [line for line in lines if line.of == of]
    names = [name for name in (*MEASURES, *FAITHFUL) if _scored([line for line in lines if line.of == "all"], name)]
    rows = []
    for line in chosen:
        cells = [
            (f"{line.figures[name].value or 0.0:.3f}", _span(line.figures[name], 1, 3))
            if name in line.figures
            else ("", "")
            for name in names
        ]
        value = class_name(line.value) if line.of == "class" else line.value
        rows.append((line.method, value, str(line.n), line.below_prior and line.method in METHODS, cells))
    return rows


def _span(one: Interval, factor: float, places: int) -> str:
    if one.low is None or one.high is None:
        return ""
    return f"{factor * one.low:.{places}f}-{factor * one.high:.{places}f}"
