"""Report of an evaluation: a folder of numbers and figures, and one self-contained HTML page."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from gadolin.datasets.labels import class_name
from gadolin.errors import DataError
from gadolin.files.atomic import write_bytes, write_json
from gadolin.metrics.measure import CLASS_FIGURES, FIGURES, Measurement, Scores
from gadolin.metrics.table import Table, write_table
from gadolin.records import NOTICE
from gadolin.reports import wording
from gadolin.reports.answers import answer_sentences, reason_name, shown_rows
from gadolin.reports.context import Mistake, ReportContext
from gadolin.reports.drawings import Drawing, draw, inline, load
from gadolin.splits import part_name

__all__ = ["environment", "write_page", "write_report"]


def write_report(folder: Path, table: Table, measurement: Measurement, *, context: ReportContext) -> None:
    """Write metrics.json, predictions.csv, figures/*.png and report.html under ``folder``, the page last.

    Each file is written atomically; files of an earlier report are replaced. The page embeds its figures and
    style and loads nothing.

    Args:
        folder: Created if missing.
        table: The measured predictions.
        measurement: Result of :func:`gadolin.metrics.measure` for ``table``.
        context: Title, model, facts, history, mistakes and notes.

    Raises:
        DataError: The measurement is not of this table.
        MissingExtraError: matplotlib, seaborn or jinja2 is not installed.
        OutputError: The folder cannot be written.
    """
    page, drawings = _drawn(table, measurement, context)
    write_json(folder / "metrics.json", measurement.as_json() | context.as_json())
    write_table(folder / "predictions.csv", table)
    for drawing in drawings.values():
        write_bytes(folder / "figures" / f"{drawing.name}.png", drawing.png)
    write_bytes(folder / "report.html", page)


def write_page(path: Path, table: Table, measurement: Measurement, *, context: ReportContext) -> None:
    """Write only the page of a report; raises the errors of :func:`write_report`."""
    page, _ = _drawn(table, measurement, context)
    write_bytes(path, page)


def _drawn(table: Table, measurement: Measurement, context: ReportContext) -> tuple[bytes, dict[str, Drawing]]:
    if measurement.classes != table.classes or measurement.overall.n != len(table):
        raise DataError(
            code="measurement_of_other_table",
            rule="a report needs the measurement of its own table",
            got=f"got one of {measurement.overall.n} rows for {len(table)} rows",
            remedy="measure this table",
        )
    load("jinja2")
    drawings = draw(table, measurement, context)
    return _render(table, measurement, context, drawings).encode("utf-8", "backslashreplace"), drawings


def environment() -> Any:
    """Return the jinja2 environment of the pages; raises MissingExtraError where jinja2 is not installed."""
    jinja2 = load("jinja2")
    return jinja2.Environment(
        loader=jinja2.PackageLoader("gadolin.reports", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(table: Table, measurement: Measurement, context: ReportContext, drawings: dict[str, Drawing]) -> str:
    scores = measurement.overall
    scored = wording.scored(measurement)
    figures = {name: [wording.spelled(name, one.figures[name]) for one in scored.values()] for name in FIGURES}
    html: str = (
        environment()
        .get_template("report.html.jinja")
        .render(
            title=context.title,
            notice=NOTICE,
            context=context,
            verdict=wording.verdict(scores),
            caution=wording.caution(measurement),
            answers=answer_sentences(scores, never_declines=context.never_declines),
            answer_groups=_answer_groups(measurement),
            reasons=_reasons(scores),
            class_name=class_name,
            reason_name=reason_name,
            resampling=wording.resampling(measurement),
            findings=list(wording.findings(table, measurement)),
            parts=_part_rows(scored) if len(measurement.parts) > 1 else [],
            unscored=list(wording.unscored(measurement)),
            differences=[wording.difference(one) for one in measurement.differences],
            scored=[(part_name(name), part) for name, part in scored.items()],
            figures=[
                (*wording.FIGURE_WORDS[name], values)
                for name, values in figures.items()
                if any(value != wording.UNDEFINED for value, _ in values)
            ],
            class_rows=[
                (name, one.n, [wording.spelled(key, one.figures[key]) for key in CLASS_FIGURES])
                for name, one in scores.per_class.items()
                if one.n
            ],
            classes=measurement.classes,
            scores=scores,
            drawings=drawings,
            mistakes=[(one, inline(_picture(one))) for one in context.mistakes],
            wrong=scores.n - scores.correct,
        )
    )
    return html


def _part_rows(scored: Mapping[str, Scores]) -> list[dict[str, object]]:
    return [
        {
            "name": part_name(name),
            "meaning": wording.PART_WORDS.get(name, ""),
            "n": part.n,
            "groups": part.groups,
            "accuracy": wording.spelled("accuracy", part.figures["accuracy"]),
            "macro_f1": wording.spelled("macro_f1", part.figures["macro_f1"]),
        }
        for name, part in scored.items()
    ]


def _answer_groups(measurement: Measurement) -> dict[str, list[dict[str, object]]]:
    """Return the rows of the table of answers by their heading."""
    groups: dict[str, list[dict[str, object]]] = {}
    for row in shown_rows(measurement):
        one = row.answers
        cells = {name: wording.spelled(name, getattr(one, name)) for name in ("coverage", "selective_accuracy")}
        groups.setdefault(row.group, []).append({"name": row.name, "counts": one, **cells})
    return groups


def _reasons(scores: Scores) -> list[tuple[str, int, str]]:
    """Return each reason to abstain in words, with the number and percentage of slices."""
    reasons = {} if scores.abstention is None else scores.abstention.reasons
    return [(reason_name(code), count, f"{100 * count / scores.n:.1f}\u00a0%") for code, count in reasons.items()]


def _picture(mistake: Mistake) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mistake.picture).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
