"""A model and a data set in, a folder with metrics, predictions and the report out."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gadolin._version import __version__
from gadolin.cache import Prepared
from gadolin.errors import OutputError
from gadolin.lineage import lineage, shipped_learned
from gadolin.manifest import manifest_digest
from gadolin.metrics import Measurement, Table, measure
from gadolin.metrics.assess import assess
from gadolin.predictor import Predictor
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.report.context import Mistake, ReportContext, worst_mistakes
from gadolin.report.page import write_report

_NAMED = 20  # slices, in a note
DUPLICATES_NOTES = {
    "pixels": "Duplicates of training slices: found by comparing pixels, each pair proved, as gadolin audit does.",
    "groups": "Duplicates of training slices: by the copy groups of the run's manifest, since not all of its pictures "
    "are there to compare; slices that the manifest does not have are of no subset.",
}

__all__ = ["Assessment", "assess_and_report", "known_of", "run_facts", "run_history"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What to evaluate and how to tell of it.

    ``run`` is the run folder that the model lies in, if it is one: its reading of the data is recorded there, and its
    facts and curves stand in the report. ``parts`` maps a picture's key to its part; ``prepared`` are the slices where
    they are ready, else the cache folder to prepare them into; ``notes`` are sentences for the report.
    ``duplicates_by``: how the duplicates among ``parts`` were found (``Overlap.found_by``), "" where none were sought.
    """

    records: Sequence[Record]
    out: Path
    title: str
    run: Path | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    prepared: Prepared | Path | None = None
    notes: tuple[str, ...] = ()
    duplicates_by: str = ""


def assess_and_report(
    predictor: Predictor, assessment: Assessment, *, progress: Progress | None = None
) -> tuple[Measurement, Path]:
    """Predict, measure, write the report; returns the measurement and the path of the page."""
    table, prepared = assess(
        predictor, assessment.records, parts=assessment.parts, prepared=assessment.prepared, progress=progress
    )
    measurement = measure(table)
    if assessment.run is not None:
        _record_reading(assessment, predictor.bundle.digest, measurement)
    facts = {"classes": ", ".join(table.classes), **(run_facts(assessment.run) if assessment.run else {})}
    context = ReportContext(
        title=assessment.title,
        model=predictor.bundle.digest,
        created=datetime.now(UTC).date().isoformat(),
        facts=facts | {"temperature": f"{predictor.bundle.temperature:.3f}", "Gadolin": __version__},
        history=run_history(assessment.run) if assessment.run else (),
        mistakes=_mistakes(table, prepared),
        notes=(
            *assessment.notes,
            *_duplicates_note(assessment),
            *known_of(lineage(predictor.bundle)),
            *_notes(prepared, table.paths),
        ),
    )
    return measurement, write_report(assessment.out, table, measurement, context=context)


def _duplicates_note(assessment: Assessment) -> tuple[str, ...]:
    """Return the note on how duplicates of training slices were found, where they were looked for."""
    return (DUPLICATES_NOTES[assessment.duplicates_by],) if assessment.duplicates_by else ()


def known_of(digests: tuple[str, ...]) -> tuple[str, ...]:
    """Return the note on what was learned from where a packaged model is in a lineage, else none."""
    told = shipped_learned(digests)
    return (f"{told[0].upper()}{told[1:]}.",) if told else ()


def run_facts(run: Path) -> dict[str, str]:
    """Return what ``run.json`` tells of how a model was made, as names and words."""
    try:
        content = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    shown = (
        "recipe_name",
        "weights",
        "data",
        "manifest_digest",
        "seed",
        "precision",
        "device",
        "chosen_epoch",
        "training_seconds",
    )
    return {name.replace("_", " "): str(content[name]) for name in shown if name in content}


def run_history(run: Path) -> list[dict[str, float | None]]:
    """Return the rows of ``history.csv``, or none."""
    try:
        with (run / "history.csv").open(newline="", encoding="utf-8") as file:
            return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
    except OSError:
        return []


def _record_reading(assessment: Assessment, model: str, measurement: Measurement) -> None:
    """Append to the run's list of readings: when which slices were looked at with which model, and what was seen.

    One that is repeated because the first was interrupted is listed too.
    """
    run, records = assessment.run, assessment.records
    assert run is not None, "only a run keeps a list of its readings"
    parts = [assessment.parts.get(record.key, "") for record in records]
    reading = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": assessment.title,
        "model": model,
        "data_digest": manifest_digest(records),
        "report": assessment.out.name,
        "slices": len(records),
        "parts": {part: parts.count(part) for part in sorted(set(parts)) if part},
        "duplicates_by": assessment.duplicates_by or None,
        "accuracy": measurement.overall.as_json()["accuracy"],
    }
    try:
        path = run / "readings.jsonl"
        whole = not path.exists() or path.read_bytes()[-1:] in (b"", b"\n")
        with path.open("a", encoding="utf-8") as file:
            file.write(("" if whole else "\n") + json.dumps(reading) + "\n")
    except OSError as error:
        raise OutputError(
            code="unwritable",
            rule=f"cannot record this reading in {run}: {error.strerror or error}",
            remedy="make the run folder writable",
        ) from error


def _mistakes(table: Table, prepared: Prepared) -> tuple[Mistake, ...]:
    return tuple(
        Mistake(
            path=table.paths[row],
            truth=table.classes[int(table.truth[row])],
            predicted=table.classes[int(table.predicted[row])],
            probability=float(table.confidence[row]),
            picture=np.array(prepared.slices[row]),
        )
        for row in worst_mistakes(table)
    )


def _notes(prepared: Prepared, paths: Sequence[str]) -> tuple[str, ...]:
    """Return what to tell of slices that were not prepared as the others, and which they are."""
    told = (
        ("Slices in which no head was found, so that the whole picture was used", prepared.whole),
        ("Pictures in true colours, which prediction declines to name", prepared.coloured),
        ("Pictures of several slices, on which prediction abstains", prepared.several),
    )
    return tuple(
        f"{what}: {len(rows)} ({', '.join(paths[row] for row in rows[:_NAMED])}{', ...' * (len(rows) > _NAMED)})."
        for what, rows in told
        if rows
    )
