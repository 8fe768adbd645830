"""Cross-validation: a run for each fold, and every slice answered for by the one run that did not learn from it."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gadolin._version import __version__
from gadolin.atomic import require_fresh
from gadolin.cache import prepared_slices
from gadolin.errors import DataError, RequestError, WeightsError
from gadolin.manifest import manifest_digest, read_manifest, write_manifest
from gadolin.metrics import measure
from gadolin.predictions import Table, read_table
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.report.assessment import known_of
from gadolin.report.context import Mistake, ReportContext, worst_mistakes
from gadolin.report.page import write_report
from gadolin.sources import require_trainable, scan
from gadolin.splits import check_folds
from gadolin.training.claim import require_same
from gadolin.training.plan import Plan
from gadolin.training.run import train_model, with_evidence
from gadolin.training.weights import NAMED, localise, weights_facts

__all__ = ["cross_validate", "folded_records", "joined_tables", "unfinished"]

_LOG = logging.getLogger("gadolin")


def cross_validate(
    plan: Plan, folds: Path | None = None, *, only: Sequence[int] = (), progress: Progress | None = None
) -> Path | None:
    """Train once for each fold of ``plan.data`` and return the path of the report on all slices pooled.

    ``only`` names the folds to train for now, in that order; while others are left, None is returned.

    The folds are those of the manifest ``folds``, else of the data itself. Each run learns from the other folds, cuts
    its validation part off them, and reads its own fold once, at the end. With ``plan.resume`` finished folds are
    kept and an unfinished one goes on, by the recipe, seed and weights that they were begun with. Where
    ``plan.weights`` is the folder of another cross-validation, each fold starts from that one's run of the same fold.
    ``plan.out`` holds ``folds.csv``, a run folder ``fold-K`` for each fold and ``evaluation/`` with every slice's
    out-of-fold probabilities. Raises DataError where a slice has no fold, a fold lacks a class, or a patient or copy
    group stands in two folds, RequestError where ``only`` names a fold that is not there, WeightsError where another
    cross-validation lacks one.
    """
    records = folded_records(plan, folds)
    check_folds(records)
    numbers = sorted({record.fold for record in records if record.fold is not None})
    if not set(only) <= set(numbers):
        raise RequestError(
            code="fold_unknown",
            rule=f"only must name folds of {', '.join(map(str, numbers))}",
            got=f"got {', '.join(map(str, only))}",
            remedy="correct it",
        )
    _require_starts(plan, only or numbers)
    listed = plan.out / "folds.csv"
    if plan.resume and listed.is_file():
        _require_same(records, listed)
    else:
        require_fresh(plan.out, "choose another folder, or pass --resume to go on with the folds in it")
        write_manifest(listed, records)
    for number in numbers:
        _require_settings(plan, records, number)
    for number in only or numbers:
        _train_fold(plan, records, number, progress)
    if unfinished(plan.out, numbers):
        return None
    runs = [plan.out / f"fold-{number}" for number in numbers]
    table = joined_tables([read_table(run / "evaluation" / "predictions.csv") for run in runs])
    return _report(plan, records, table)


def unfinished(out: Path, numbers: Sequence[int]) -> list[int]:
    """Return those of the folds ``numbers`` whose run in the folder ``out`` is not finished."""
    return [number for number in numbers if not _finished(out / f"fold-{number}")]


def folded_records(plan: Plan, folds: Path | None) -> list[Record]:
    """Return the records of the data with the folds, patients and groups that the manifest ``folds`` gives them.

    Slices that the manifest leaves out are left out. Its rows are matched by content, and by path among files of the
    same content, of which no more are taken than it has rows. Raises DataError for a row whose slice is not in the
    data.
    """
    found = scan(plan.data, patient_from=plan.patient_from)
    require_trainable(found, skip_unreadable=plan.skip_unreadable)
    if folds is None:
        return list(found.records)
    given = read_manifest(folds, verify=False)
    there = {record.key for record in found.records}
    gone = [record.name for record in given if record.key not in there]
    if gone:
        raise DataError(
            code="folds_of_other_data",
            rule=f"every row of {folds} must be a slice of {plan.data}",
            got=f"{len(gone)} are not, such as {gone[0]}",
            remedy="give the data that the folds were made of",
        )
    rows = _matched(found.records, given)
    if len(rows) < len(found.records):
        _LOG.warning("%d slices have no row in %s and are left out", len(found.records) - len(rows), folds)
    return [
        replace(record, fold=row.fold, patient=row.patient or record.patient, group=row.group or record.group)
        for number, record in enumerate(found.records)
        if (row := rows.get(number)) is not None
    ]


def _matched(records: Sequence[Record], given: Sequence[Record]) -> dict[int, Record]:
    """Return the rows of a manifest by the number of the record that each stands for."""
    waiting = {(row.key, row.path.resolve()): row for row in given}
    rows = {}
    for number, record in enumerate(records):
        row = waiting.pop((record.key, record.path.resolve()), None)
        if row is not None:
            rows[number] = row
    elsewhere: dict[str, list[Record]] = defaultdict(list)
    for row in waiting.values():
        elsewhere[row.key].append(row)
    for number, record in enumerate(records):
        if number not in rows and elsewhere[record.key]:
            rows[number] = elsewhere[record.key].pop(0)
    return rows


def joined_tables(tables: Sequence[Table]) -> Table:
    """Return the predictions of several models, each of its own test part, as one table."""
    return Table(
        classes=tables[0].classes,
        probabilities=np.concatenate([table.probabilities for table in tables]),
        truth=np.concatenate([table.truth for table in tables]),
        paths=tuple(path for table in tables for path in table.paths),
        groups=tuple(group for table in tables for group in table.groups),
        parts=tuple(part for table in tables for part in table.parts),
        digests=tuple(digest for table in tables for digest in table.digests),
    )


def _require_same(records: Sequence[Record], listed: Path) -> None:
    if manifest_digest(read_manifest(listed, verify=False)) != manifest_digest(records):
        raise DataError(
            code="run_settings_differ",
            rule="--resume needs the data and folds that were begun with",
            got=f"{listed} differs",
            remedy="choose another folder",
        )


def _require_settings(plan: Plan, records: Sequence[Record], number: int) -> None:
    """Raise DataError where the run of a fold, finished or not, was begun with another recipe, seed or weights."""
    run = plan.out / f"fold-{number}"
    if (run / "run.json").is_file():
        weights = _weights(plan, number)
        outlined = any(record.outlined for record in records if record.fold != number)
        recipe = with_evidence(plan.recipe, outlined=outlined or localise(weights))
        facts = {"recipe": recipe.as_json(), "seed": plan.machine.seed, "weights_digest": None}
        require_same(run, facts | weights_facts(weights))


def _weights(plan: Plan, number: int) -> str:
    """Return what the run of a fold starts from: of another cross-validation, its run of the same fold."""
    return str(Path(plan.weights) / f"fold-{number}") if _goes_on(plan) else plan.weights


def _goes_on(plan: Plan) -> bool:
    return plan.weights not in NAMED and (Path(plan.weights) / "folds.csv").is_file()


def _require_starts(plan: Plan, numbers: Sequence[int]) -> None:
    """Raise WeightsError where what is started from is not there: of another cross-validation, a finished fold."""
    left = unfinished(Path(plan.weights), numbers) if _goes_on(plan) else []
    if left:
        raise WeightsError(
            code="crossval_unfinished",
            rule="a cross-validation to go on from must have finished the same folds",
            got=f"{', '.join(map(str, left))} of {plan.weights} are not",
            remedy="finish it with --resume, or name a run folder",
        )
    for weights in {_weights(plan, number) for number in numbers}:
        weights_facts(weights)


def _train_fold(plan: Plan, records: Sequence[Record], number: int, progress: Progress | None) -> None:
    """Train and test one fold, go on with it where it was begun, leave it where it is finished."""
    run = plan.out / f"fold-{number}"
    if _finished(run):
        return
    parts = plan.out / f"fold-{number}.csv"
    write_manifest(parts, (replace(one, split="test" if one.fold == number else "train") for one in records))
    going_on = run.is_dir() and any(run.iterdir())
    own = replace(plan, data=parts, out=run, weights=_weights(plan, number), resume=going_on)

    def telling(done: int, total: int, what: str) -> None:
        assert progress is not None, "only called where there is one"
        progress(done, total, f"fold {number}: {what}")

    train_model(own, progress=telling if progress else None)


def _finished(run: Path) -> bool:
    begun = run / "run.json"
    return begun.is_file() and bool(json.loads(begun.read_text(encoding="utf-8")).get("finished"))


def _report(plan: Plan, records: Sequence[Record], table: Table) -> Path:
    by_key = {record.key: record for record in records}
    rows = worst_mistakes(table)
    wrong = prepared_slices([by_key[table.digests[row]] for row in rows], plan.recipe.preparation, plan.cache)
    mistakes = [
        Mistake(
            path=table.paths[row],
            truth=table.classes[int(table.truth[row])],
            predicted=table.classes[int(table.predicted[row])],
            probability=float(table.confidence[row]),
            picture=np.array(picture),
        )
        for row, picture in zip(rows, wrong.slices, strict=True)
    ]
    folds = sorted({record.fold for record in records if record.fold is not None})
    begun = json.loads((plan.out / f"fold-{folds[0]}" / "run.json").read_text(encoding="utf-8"))
    context = ReportContext(
        title=f"{plan.recipe.name} on {plan.data.stem}, {len(folds)} folds pooled",
        model="one model for each fold",
        created=datetime.now(UTC).date().isoformat(),
        facts={
            "recipe name": plan.recipe.name,
            "folds": ", ".join(map(str, folds)),
            "manifest digest": manifest_digest(records),
            "seed": str(plan.machine.seed),
            "weights": Path(plan.weights).name,
            "Gadolin": __version__,
        },
        mistakes=mistakes,
        notes=(
            "Each slice was answered for by the one model of its fold, which was trained on the other folds alone.",
            *known_of(tuple(begun.get("went_on_from", []))),
        ),
    )
    return write_report(plan.out / "evaluation", table, measure(table), context=context)
