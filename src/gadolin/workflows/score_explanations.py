"""Write scores of explanations to a folder: the work of ``gadolin score-explanations``."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from pathlib import Path

from gadolin.datasets import scan
from gadolin.explanations.scoring.journal import Journal
from gadolin.explanations.scoring.score import FAITHFUL, MEASURES, Row, ScoringConfig, marked_above, score_explanations
from gadolin.explanations.scoring.summary import Line, by_method_and_class, summarise
from gadolin.explanations.trust import SCORES_FILE
from gadolin.files.atomic import write_bytes, write_json
from gadolin.metrics.assess import tested_records
from gadolin.models.bundle import beside, model_place
from gadolin.models.model_path import require_folder_of_its_own
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.progress import Progress
from gadolin.records import JSON_FORMAT, NOTICE
from gadolin.reports.drawings import load
from gadolin.reports.scored_page import write_scores_page

__all__ = ["score_model"]


def score_model(
    predictor: Predictor,
    model: Path,
    data: Path,
    config: ScoringConfig,
    *,
    out: Path | None = None,
    progress: Progress | None = None,
) -> tuple[Path, list[Line]]:
    """Score the explanations of ``model`` on the outlined slices of ``data`` and return the folder and the lines.

    Continues an interrupted scoring that had the same arguments. Writes ``explanations.json``, ``by-class.json``,
    ``rows.csv`` and ``explanations.html`` to ``out``, by default beside the model, or in the working folder for the
    packaged model. For a run folder, writes the means by class also to its bundle. Raises DataError if no slice has an
    outline.
    """
    model = model_place(model)
    name = data.resolve().parent.name if data.name == "manifest.csv" else data.stem
    out = out or beside(model) / f"explanations-{name}"
    require_folder_of_its_own(out)
    load("gadolin.reports.figures")  # fails before the work if a package is missing
    records = tested_records(scan(data).records)
    facts = {
        "format": JSON_FORMAT,
        "notice": NOTICE,
        "model": predictor.bundle.digest,
        "data": name,
        "options": asdict(config.options),
        "marked": {name: marked_above(name) for name in config.methods},
        "slices": config.slices,
        "seed": config.seed,
    }
    slices = [[one.name, one.digest, one.outline] for one in records]
    request = {"methods": config.methods, "faithfulness": config.faithfulness, "asked": slices}
    journal = Journal(out / "scoring.jsonl", facts | request)
    rows = score_explanations(predictor, records, config, kept=journal, progress=progress)
    lines = summarise(rows)
    write_bytes(out / "rows.csv", _csv(rows))
    write_json(out / "explanations.json", facts | {"lines": [line.as_json() for line in lines]})
    by_class = facts | {"methods": by_method_and_class(rows, lines)}
    write_json(out / "by-class.json", by_class)
    if RunFolder(model).exists:
        write_json(predictor.bundle.folder / SCORES_FILE, by_class)
    shown = {"Model": predictor.bundle.digest, "lime and shap samples": str(config.options.samples)}
    write_scores_page(out / "explanations.html", f"Explanations scored on {name}", shown, lines)
    journal.close()
    return out, lines


def _csv(rows: list[Row]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["name", "group", "label", "predicted", "size", "method", *MEASURES, *FAITHFUL])
    for row in rows:
        faithful = row.faithful or (None,) * len(FAITHFUL)
        numbers = ("" if score is None else f"{score:.6g}" for score in (*row.scores, *faithful))
        writer.writerow([row.name, row.group, row.label, row.predicted, row.size, row.method, *numbers])
    return text.getvalue().encode("utf-8", "surrogateescape")
