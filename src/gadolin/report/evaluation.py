"""Evaluate a model on a data set: what ``gadolin evaluate`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gadolin.bundle import beside, model_place
from gadolin.cache import prepared_slices
from gadolin.copies import find_copies
from gadolin.errors import DataError
from gadolin.folder_walk import count_by_code
from gadolin.manifest import read_manifest
from gadolin.metrics.assess import tested_records
from gadolin.predictor import Predictor
from gadolin.records import Record
from gadolin.report.assessment import Assessment, assess_and_report
from gadolin.sources import scan
from gadolin.splits import copied_from, join_copies

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
    _refuse_other_folder(out)
    records = _with_known_facts(tested_records(found.records), run) if run else tested_records(found.records)
    assessment = Assessment(
        records=records,
        out=out,
        title=f"{predictor.bundle.facts.get('recipe_name', 'model')} on {name}",
        run=run,
        parts=_parts(records, run, predictor, cache) if run else {},
        prepared=cache,
        notes=(
            *(f"Left out: {one.path} ({one.reason})." for one in found.skipped),
            *(f"Left out without fault: {count} {code}." for code, count in count_by_code(found.omitted).items()),
        ),
    )
    _, page = assess_and_report(predictor, assessment, progress=progress)
    return page


def _name_of(data: Path) -> str:
    """Return what a data set is called: after its folder, or its manifest unless that is manifest.csv."""
    whole = data.resolve()
    return whole.parent.name if whole.name == "manifest.csv" else whole.stem


def _refuse_other_folder(out: Path) -> None:
    """Raise DataError where ``out`` is a run or a bundle, whose own files a report must not lie among."""
    for name in ("run.json", "bundle.json"):
        if (out / name).is_file():
            raise DataError(
                code="output_not_empty",
                rule="a report needs a folder of its own",
                got=f"{out} holds {name}",
                remedy="choose another --out",
            )


def _with_known_facts(records: list[Record], run: Path) -> list[Record]:
    """Return the records with the patient and group that the run's manifest has for the same files."""
    known = {record.key: record for record in read_manifest(run / "manifest.csv", verify=False)}
    return [
        replace(record, patient=record.patient or before.patient, group=record.group or before.group)
        if (before := known.get(record.key))
        else record
        for record in records
    ]


def _parts(records: list[Record], run: Path, predictor: Predictor, cache: Path | None) -> dict[str, str]:
    """Return the part of each picture by key: by the run's manifest, else by looking for its slice there.

    A file that was learned from is a copy of itself. Pictures stay without a part where the run's own are gone.
    """
    known = read_manifest(run / "manifest.csv", verify=False)
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
