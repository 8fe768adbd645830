"""``evaluate``: measure a model on labelled slices."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gadolin.datasets import Scan, scan
from gadolin.datasets.manifest import read_manifest
from gadolin.duplicates import copies_where_readable
from gadolin.files.folder_walk import count_by_code
from gadolin.metrics.assess import tested_records
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.reports.assessment import Assessment, assess_model
from gadolin.reports.evaluation import Evaluation
from gadolin.splits import overlap

__all__ = ["evaluate"]


def evaluate(
    model: Predictor | Path | str,
    data: Scan | Path | str,
    *,
    patient_from: str | None = None,
    runtime: str = "onnxruntime",
    cache: Path | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on the test part of ``data``, or on all of it if it has none.

    If a run folder contains the model, duplicates of training slices and slices of training patients are separate
    subsets, and the folder records the evaluation.

    Args:
        model: A Predictor, a run folder, a bundle, or "shipped" for the packaged model.
        data: The result of ``scan``, a folder or a manifest.
        patient_from: Source of patient names, as for ``scan``.
        runtime: "onnxruntime" or "openvino"; ignored for a Predictor.
        cache: Folder for prepared slices; by default in the user's cache.
        progress: Called with (done, total, what).

    Raises:
        BundleError: The model cannot be read.
        DataError: The data cannot be used with it.
    """
    predictor = model if isinstance(model, Predictor) else Predictor.load(model, runtime=runtime)
    found = scan(data, patient_from=patient_from)
    run = RunFolder.containing(predictor.bundle.folder.resolve())
    records = tested_records(found.records)
    if run is not None:
        records = _with_known_facts(records, run)
    parts, duplicates_by = _overlap(records, run, cache) if run else ({}, "")
    assessment = Assessment(
        records=records,
        title=f"{predictor.bundle.facts.get('recipe_name', 'model')} on {found.name}",
        run=run,
        parts=parts,
        duplicates_by=duplicates_by,
        prepared=cache,
        notes=(
            *(f"Left out: {one.path} ({one.reason})." for one in found.errors),
            *(f"Left out without an error: {count} {code}." for code, count in count_by_code(found.left_out).items()),
        ),
    )
    return assess_model(predictor, assessment, progress=progress)


def _with_known_facts(records: list[Record], run: RunFolder) -> list[Record]:
    """Return the records, with patients and groups of the same files added from the manifest of the run."""
    known = {record.key: record for record in read_manifest(run.manifest, verify=False)}
    return [
        replace(record, patient=record.patient or before.patient, group=record.group or before.group)
        if (before := known.get(record.key))
        else record
        for record in records
    ]


def _overlap(records: list[Record], run: RunFolder, cache: Path | None) -> tuple[dict[str, str], str]:
    """Return the subset of each slice by key, and how duplicates were found: by pixels, else by the run's manifest.

    Without pixels, slices that are not in the manifest have no subset.
    """
    known = read_manifest(run.manifest, verify=False)
    copies = copies_where_readable(known, records, cache=cache)
    if copies is None:
        before = {record.key: record for record in known}
        records = [before[record.key] for record in records if record.key in before]
    together = [*known, *(replace(record, split="test") for record in records)]
    found = overlap(together, copies)
    return found.by_key(together), found.found_by
