"""Evaluate a model on a data set: what ``gadolin evaluate`` does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gadolin.atomic import require_folder_of_its_own
from gadolin.bundle import beside, model_place
from gadolin.copies import copies_where_readable
from gadolin.folder_walk import count_by_code
from gadolin.manifest import read_manifest
from gadolin.metrics.assess import tested_records
from gadolin.predictor import Predictor
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.report.assessment import Assessment, assess_and_report
from gadolin.sources import scan
from gadolin.splits import overlap

__all__ = ["evaluate_model"]


def evaluate_model(
    model: Path,
    data: Path,
    *,
    out: Path | None = None,
    patient_from: str | None = None,
    options: tuple[str, Path | None] = ("onnxruntime", None),
    progress: Progress | None = None,
) -> Path:
    """Measure ``model`` on the test part of ``data``, or all of it where it has none.

    ``model`` is a run folder, a bundle, or "shipped" for the package's own; ``options`` are the runtime and the cache
    folder. Where the model is a run folder, or the bundle in one, slices are counted apart by whether they, copies of
    them, or other slices of their patients were learned from, and the reading is recorded there. Returns the path of
    the report, written to ``out``, by default beside the model, of the package's own to the working folder. Raises
    GadolinError where model or data cannot be used.
    """
    runtime, cache = options
    model = model_place(model)
    predictor = Predictor.load(model, runtime=runtime)
    found = scan(data, patient_from=patient_from)
    run = next((folder for folder in (model, model.parent) if (folder / "run.json").is_file()), None)
    name = _name_of(data)
    out = out or beside(run or model) / f"evaluation-{name}"
    require_folder_of_its_own(out)
    records = _with_known_facts(tested_records(found.records), run) if run else tested_records(found.records)
    parts, duplicates_by = _overlap(records, run, cache) if run else ({}, "")
    assessment = Assessment(
        records=records,
        out=out,
        title=f"{predictor.bundle.facts.get('recipe_name', 'model')} on {name}",
        run=run,
        parts=parts,
        duplicates_by=duplicates_by,
        prepared=cache,
        notes=(
            *(f"Left out: {one.path} ({one.reason})." for one in found.errors),
            *(f"Left out without fault: {count} {code}." for code, count in count_by_code(found.left_out).items()),
        ),
    )
    _, page = assess_and_report(predictor, assessment, progress=progress)
    return page


def _name_of(data: Path) -> str:
    """Return what a data set is called: after its folder, or its manifest unless that is manifest.csv."""
    whole = data.resolve()
    return whole.parent.name if whole.name == "manifest.csv" else whole.stem


def _with_known_facts(records: list[Record], run: Path) -> list[Record]:
    """Return the records with the patient and group that the run's manifest has for the same files."""
    known = {record.key: record for record in read_manifest(run / "manifest.csv", verify=False)}
    return [
        replace(record, patient=record.patient or before.patient, group=record.group or before.group)
        if (before := known.get(record.key))
        else record
        for record in records
    ]


def _overlap(records: list[Record], run: Path, cache: Path | None) -> tuple[dict[str, str], str]:
    """Return the subset of each slice by key, and how duplicates were found: by pixels, else by the run's manifest.

    Without pixels, slices that the manifest does not have are of no subset.
    """
    known = read_manifest(run / "manifest.csv", verify=False)
    copies = copies_where_readable(known, records, cache=cache)
    if copies is None:
        before = {record.key: record for record in known}
        records = [before[record.key] for record in records if record.key in before]
    together = [*known, *(replace(record, split="test") for record in records)]
    found = overlap(together, copies)
    return found.by_key(together), found.found_by
