"""Evaluate a model on a data set: what ``gadolin evaluate`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gadolin.evaluate.assess import tested_records
from gadolin.manifest import read_manifest
from gadolin.predictor import Predictor
from gadolin.records import Record
from gadolin.report.assessment import Assessment, assess_and_report
from gadolin.sources import scan
from gadolin.splits import copied_from

__all__ = ["evaluate_model"]


def evaluate_model(
    model: Path,
    data: Path,
    *,
    out: Path | None = None,
    patient_from: str | None = None,
    options: tuple[str, Path | None] = ("onnxruntime", None),
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Measure ``model`` (a run folder or a bundle) on the test part of ``data``, or all of it where it has none.

    ``options`` are the runtime and the cache folder. Where the model is a run folder, slices are counted apart by what
    the run's manifest knows of them, and the reading is recorded there. Returns the path of the report, written to
    ``out`` or beside the model. Raises GadolinError where model or data cannot be used.
    """
    runtime, cache = options
    predictor = Predictor.load(model, runtime=runtime)
    found = scan(data, patient_from=patient_from)
    run = model if (model / "manifest.csv").is_file() else None
    name = data.resolve().stem
    known = {record.digest: record for record in read_manifest(run / "manifest.csv", verify=False)} if run else {}
    records = [_known(record, known) for record in tested_records(found.records)]
    assessment = Assessment(
        records=records,
        out=out or model / f"evaluation-{name}",
        title=f"{predictor.bundle.facts.get('recipe_name', 'model')} on {name}",
        run=run,
        parts=_parts(records, known),
        cache=cache,
        notes=tuple(f"Left out: {path} ({reason})." for path, reason in found.skipped),
    )
    _, page = assess_and_report(predictor, assessment, progress=progress)
    return page


def _known(record: Record, known: dict[str, Record]) -> Record:
    """Return the record with the patient and group that the run's manifest has for the same file."""
    before = known.get(record.digest)
    if before is None:
        return record
    return replace(record, patient=record.patient or before.patient, group=record.group or before.group)


def _parts(records: list[Record], known: dict[str, Record]) -> dict[str, str]:
    """Return the part of each picture by digest; a file that was learned from is a copy of itself."""
    told = copied_from(list(known.values()))
    learned = {digest for digest, record in known.items() if record.split in ("train", "validation")}
    return told | {record.digest: "copied" for record in records if record.digest in learned}
