"""Evaluate a model on labelled slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gadolin._version import __version__
from gadolin.datasets.labels import class_name
from gadolin.datasets.manifest import manifest_digest
from gadolin.errors import DataError
from gadolin.metrics import Measurement, Table, measure
from gadolin.metrics.assess import assess
from gadolin.models.bundle import Bundle
from gadolin.models.predictor import Predictor
from gadolin.models.provenance import pretraining_notice, weights_history
from gadolin.models.run_folder import RunFolder
from gadolin.preprocessing.cache import Prepared
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.reports.context import Mistake, ReportContext, worst_mistakes
from gadolin.reports.evaluation import Evaluation

__all__ = ["Assessment", "assess_model", "never_declines", "pretraining_notes"]

_LISTED = 20  # slices listed in a note
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
    "pixels": "Duplicates of training slices were found by comparing pixels, each pair verified, as in gadolin audit.",
    "groups": "Duplicates of training slices were taken from the copy groups in the manifest of the run, because not "
    "all of its pictures are available; slices that are not in the manifest belong to no subset.",
}
UNKNOWN_OVERLAP = "It is not known whether the model was trained on some of these slices or patients."


@dataclass(frozen=True, slots=True)
class Assessment:
    """The data to evaluate a model on.

    ``run`` is the run that trained the model, if any: the evaluation is recorded there, and the report shows its facts
    and training curves. ``parts`` maps the key of a slice to its subset; ``prepared`` are the prepared slices, or the
    cache folder to prepare them into; ``notes`` are sentences for the report. ``duplicates_by`` is how the duplicates
    in ``parts`` were found (``Overlap.found_by``), "" where there was no search.
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
            "classes": ", ".join(map(class_name, table.classes)),
            **(_run_facts(run) if run else {}),
            "temperature": f"{predictor.bundle.temperature:.3f}",
            "Gadolin": __version__,
        },
        history=run.history() if run else (),
        mistakes=_mistakes(table, prepared),
        never_declines=never_declines(predictor.bundle),
        notes=(
            *assessment.notes,
            *_overlap_notes(assessment, predictor.bundle),
            *_notes(prepared, table.paths),
        ),
    )
    return Evaluation(table, measurement, context)


def _overlap_notes(assessment: Assessment, bundle: Bundle) -> tuple[str, ...]:
    """Return notes on the training data: how duplicates were found, what a packaged model learned from, or neither."""
    searched = (DUPLICATES_NOTES[assessment.duplicates_by],) if assessment.duplicates_by else ()
    return (*searched, *pretraining_notes(weights_history(bundle), assessment.records)) or (UNKNOWN_OVERLAP,)


def pretraining_notes(digests: tuple[str, ...], records: Sequence[Record]) -> tuple[str, ...]:
    """Return a sentence on the training data of the packaged model, if the weights derive from it."""
    notice = pretraining_notice(digests, records)
    return (f"{notice[0].upper()}{notice[1:]}.",) if notice else ()


def _run_facts(run: RunFolder) -> dict[str, str]:
    """Return facts about the training for display; empty for a run of another version."""
    try:
        known = run.read()
    except DataError:
        return {}
    shown = {name: getattr(known, name) for name in _FACTS}
    return {name.replace("_", " "): str(value) for name, value in shown.items() if value is not None}


def _reading(assessment: Assessment, model: str, measurement: Measurement) -> dict[str, object]:
    """Return the entry for the run's list of evaluations: time, slices, model and accuracy.

    An evaluation that is repeated after an interruption has two entries.
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


def never_declines(bundle: Bundle) -> bool:
    """Return whether the model has no threshold, and so declines no slice for the network's output."""
    limits = [bundle.confidence_threshold, bundle.ood_threshold]
    scales = [one.threshold for one in bundle.p_tumour or ()]
    return not any(limits) and max(scales, default=0.5) <= 0.5 and bundle.validated is None


def _mistakes(table: Table, prepared: Prepared) -> tuple[Mistake, ...]:
    return tuple(
        Mistake(
            path=table.paths[row],
            truth=table.classes[int(table.truth[row])],
            predicted=table.classes[int(table.predicted[row])],
            probability=float(table.confidence[row]),
            picture=np.array(prepared.slices[row]),
            reason_code=table.decisions.reason_codes[row] if table.decisions else "",
        )
        for row in worst_mistakes(table)
    )


def _notes(prepared: Prepared, paths: Sequence[str]) -> tuple[str, ...]:
    """Return notes on slices that were prepared differently, or on which prediction abstains, with their names."""
    notes = (
        ("Slices in which no head was found, so that the whole picture was used", prepared.whole),
        ("Colour images, on which prediction abstains", prepared.coloured),
        ("Images that show several slices, on which prediction abstains", prepared.several),
    )
    return tuple(
        f"{what}: {len(rows)} ({', '.join(paths[row] for row in rows[:_LISTED])}{', ...' * (len(rows) > _LISTED)})."
        for what, rows in notes
        if rows
    )
