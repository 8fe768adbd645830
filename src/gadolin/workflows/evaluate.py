"""``evaluate``: measure a model on labelled slices."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gadolin.cache import prepared_slices
from gadolin.copies import find_copies
from gadolin.folder_walk import count_by_code
from gadolin.manifest import read_manifest
from gadolin.metrics.assess import tested_records
from gadolin.predictor import Predictor
from gadolin.records import Record
from gadolin.report.assessment import Assessment, assess_model
from gadolin.report.evaluation import Evaluation
from gadolin.run_folder import RunFolder
from gadolin.sources import Scan, scan
from gadolin.splits import copied_from, join_copies

__all__ = ["evaluate"]


def evaluate(
    model: Predictor | Path | str,
    data: Scan | Path | str,
    *,
    patient_from: str | None = None,
    runtime: str = "onnxruntime",
    cache: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Measure a model on the test part of ``data``, or on all of it where it has none.

    If a run folder contains the model, slices are counted apart by whether they are duplicates of slices that it was
    trained on, or of patients that it was trained on, and the evaluation is recorded in that folder.

    Args:
        model: A Predictor, a run folder, a bundle, or "shipped" for the packaged model.
        data: What ``scan`` or ``split`` returned, or a folder or manifest.
        patient_from: How ``data`` names its patients, as for ``scan``.
        runtime: "onnxruntime" or "openvino", for a model that is not loaded yet.
        cache: Folder for prepared slices; by default in the user's cache.
        progress: Called with (done, total).

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
    assessment = Assessment(
        records=records,
        title=f"{predictor.bundle.facts.get('recipe_name', 'model')} on {found.name}",
        run=run,
        parts=_parts(records, run, predictor, cache) if run else {},
        prepared=cache,
        notes=(
            *(f"Left out: {one.path} ({one.reason})." for one in found.skipped),
            *(f"Left out without fault: {count} {code}." for code, count in count_by_code(found.omitted).items()),
        ),
    )
    return assess_model(predictor, assessment, progress=progress)


def _with_known_facts(records: list[Record], run: RunFolder) -> list[Record]:
    """Return the records with the patient and group that the run's manifest has for the same files."""
    known = {record.key: record for record in read_manifest(run.manifest, verify=False)}
    return [
        replace(record, patient=record.patient or before.patient, group=record.group or before.group)
        if (before := known.get(record.key))
        else record
        for record in records
    ]


def _parts(records: list[Record], run: RunFolder, predictor: Predictor, cache: Path | None) -> dict[str, str]:
    """Return the part of each picture by key: by the run's manifest, else by looking for its slice there.

    A file that was learned from is a copy of itself. Pictures stay without a part where the run's own are gone.
    """
    known = read_manifest(run.manifest, verify=False)
    learned = [record for record in known if record.split in ("train", "validation")]
    told = copied_from(known) | {record.key: "copied" for record in learned}
    new = [replace(record, split="test", group="") for record in records if record.key not in told]
    if not new or not all(record.path.is_file() for record in known):
        return told
    preparation = predictor.bundle.preparation
    before = prepared_slices(known, preparation, cache).slices
    now = prepared_slices(records, preparation, cache).slices
    rows = [row for row, record in enumerate(records) if record.key not in told]
    together = join_copies([*known, *new], find_copies(before, now[rows]).joined)
    return copied_from(together) | told
