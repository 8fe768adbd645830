"""A model and labelled slices in, an evaluation out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gadolin._version import __version__
from gadolin.datasets.manifest import manifest_digest
from gadolin.errors import DataError
from gadolin.metrics import Measurement, Table, measure
from gadolin.metrics.assess import assess
from gadolin.models.predictor import Predictor
from gadolin.models.provenance import pretraining_notice, weights_history
from gadolin.models.run_folder import RunFolder
from gadolin.preprocessing.cache import Prepared
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.reports.context import Mistake, ReportContext, worst_mistakes
from gadolin.reports.evaluation import Evaluation

__all__ = ["Assessment", "assess_model", "pretraining_notes"]

_NAMED = 20  # slices, in a note
_FACTS = (
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


DUPLICATES_NOTES = {
    "pixels": "Duplicates of training slices: found by comparing pixels, each pair proved, as gadolin audit does.",
    "groups": "Duplicates of training slices: by the copy groups of the run's manifest, since not all of its pictures "
    "are there to compare; slices that the manifest does not have are of no subset.",
}


@dataclass(frozen=True, slots=True)
class Assessment:
    """What to evaluate a model on.

    ``run`` is the run that trained the model, if there is one: the evaluation is recorded there, and the report shows
    its facts and curves. ``parts`` maps a slice's key to its subset; ``prepared`` are the prepared slices, or the cache
    folder to prepare them into; ``notes`` are sentences for the report. ``duplicates_by`` is how the duplicates among
    ``parts`` were found (``Overlap.found_by``), "" where none were looked for.
    """

    records: Sequence[Record]
    title: str
    run: RunFolder | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    prepared: Prepared | Path | None = None
    notes: tuple[str, ...] = ()
    duplicates_by: str = ""


def assess_model(predictor: Predictor, assessment: Assessment, *, progress: Progress | None = None) -> Evaluation:
    """Predict and measure; record the evaluation in the run.

    Raises DataError where a label is no class of the model, OutputError where the run folder cannot be written.
    """
    table, prepared = assess(
        predictor, assessment.records, parts=assessment.parts, prepared=assessment.prepared, progress=progress
    )
    measurement = measure(table)
    run = assessment.run
    if run is not None:
        run.record_reading(_reading(assessment, predictor.bundle.digest, measurement))
    context = ReportContext(
        title=assessment.title,
        model=predictor.bundle.digest,
        created=datetime.now(UTC).date().isoformat(),
        facts={
            "classes": ", ".join(table.classes),
            **(_run_facts(run) if run else {}),
            "temperature": f"{predictor.bundle.temperature:.3f}",
            "Gadolin": __version__,
        },
        history=run.history() if run else (),
        mistakes=_mistakes(table, prepared),
        notes=(
            *assessment.notes,
            *_duplicates_note(assessment),
            *pretraining_notes(weights_history(predictor.bundle)),
            *_notes(prepared, table.paths),
        ),
    )
    return Evaluation(table, measurement, context)


def _duplicates_note(assessment: Assessment) -> tuple[str, ...]:
    """Return the note on how duplicates of training slices were found, where they were looked for."""
    return (DUPLICATES_NOTES[assessment.duplicates_by],) if assessment.duplicates_by else ()


def pretraining_notes(digests: tuple[str, ...]) -> tuple[str, ...]:
    """Return a sentence on what was learned from where a packaged model is among these weights, else none."""
    notice = pretraining_notice(digests)
    return (f"{notice[0].upper()}{notice[1:]}.",) if notice else ()


def _run_facts(run: RunFolder) -> dict[str, str]:
    """Return how the model was made, as names and words; of a run of another version nothing."""
    try:
        known = run.read()
    except DataError:
        return {}
    shown = {name: getattr(known, name) for name in _FACTS}
    return {name.replace("_", " "): str(value) for name, value in shown.items() if value is not None}


def _reading(assessment: Assessment, model: str, measurement: Measurement) -> dict[str, object]:
    """Return what the run's list of evaluations holds: when, which slices, which model, how good.

    One that is repeated because the first was interrupted is listed too.
    """
    records = assessment.records
    parts = [assessment.parts.get(record.key, "") for record in records]
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "title": assessment.title,
        "model": model,
        "data_digest": manifest_digest(records),
        "slices": len(records),
        "parts": {part: parts.count(part) for part in sorted(set(parts)) if part},
        "duplicates_by": assessment.duplicates_by or None,
        "accuracy": measurement.overall.as_json()["accuracy"],
    }


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
