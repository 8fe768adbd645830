"""Cross-validation: one run per fold, so that every slice is predicted by a model that was not trained on it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from gadolin._version import __version__
from gadolin.datasets import require_trainable, scan
from gadolin.datasets.manifest import manifest_digest, read_manifest, write_manifest
from gadolin.errors import DataError, RequestError, WeightsError
from gadolin.files.atomic import require_fresh
from gadolin.metrics import measure
from gadolin.metrics.decisions import joined_decisions
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import RunFolder
from gadolin.networks.backbones import require_backbone
from gadolin.preprocessing.cache import prepared_slices
from gadolin.progress import Progress
from gadolin.records import Record
from gadolin.reports.assessment import pretraining_notes
from gadolin.reports.context import Mistake, ReportContext, worst_mistakes
from gadolin.reports.evaluation import Evaluation
from gadolin.splits import check_folds
from gadolin.training.plan import Plan
from gadolin.training.pretrained_weights import has_lesion_decoder
from gadolin.training.resume import require_same
from gadolin.training.train import train_model, with_evidence

__all__ = ["cross_validate", "fold_run", "folded_records", "joined_tables", "unfinished"]

_LOG = logging.getLogger("gadolin")


def cross_validate(
    plan: Plan, folds: Path | None = None, *, only: Sequence[int] = (), progress: Progress | None = None
) -> Evaluation | None:
    """Train once for each fold of ``plan.data`` and return the pooled evaluation of all slices.

    ``only`` lists the folds to train now, in that order; None is returned until all folds are finished.

    The folds come from the manifest ``folds``, else from the data. Each run trains on the other folds, takes its
    validation part from them, and reads its test fold once, at the end. With ``plan.resume`` finished folds are kept
    and an unfinished one is continued, with the recipe, seed and weights that it was started with. If ``plan.weights``
    is another cross-validation, each fold starts from its run of the same fold. ``plan.out`` gets ``folds.csv``, a run
    folder ``fold-K`` for each fold and ``evaluation/`` with the out-of-fold probabilities of every slice.

    Raises DataError if a slice has no fold, a fold lacks a class, or a patient or group of copies is in two folds,
    RequestError if ``only`` lists an unknown fold, WeightsError if the other cross-validation lacks a fold.
    """
    plan = replace(plan, data=scan(plan.data, patient_from=plan.patient_from), patient_from=None)
    require_backbone(plan.recipe.network.backbone)
    records = folded_records(plan, folds)
    check_folds(records)
    numbers = sorted({record.fold for record in records if record.fold is not None})
    if not set(only) <= set(numbers):
        raise RequestError(
            code="fold_unknown",
            rule=f"only must list folds of {', '.join(map(str, numbers))}",
            got=f"got {', '.join(map(str, only))}",
            remedy="correct it",
        )
    _require_starts(plan, only or numbers)
    listed = plan.out / "folds.csv"
    if plan.resume and listed.is_file():
        _require_same(records, listed)
    else:
        require_fresh(plan.out, "choose another folder, or pass --resume to continue the folds in it")
        write_manifest(listed, records)
    for number in numbers:
        _require_settings(plan, records, number)
    for number in only or numbers:
        _train_fold(plan, records, number, progress)
    if unfinished(plan.out, numbers):
        return None
    table = joined_tables([read_table(fold_run(plan.out, number).predictions) for number in numbers])
    evaluation = _pooled(plan, records, table)
    evaluation.save(plan.out / "evaluation")
    return evaluation


def fold_run(out: Path, number: int) -> RunFolder:
    """Return the run of a fold of the cross-validation in ``out``."""
    return RunFolder(out / f"fold-{number}")


def unfinished(out: Path, numbers: Sequence[int]) -> list[int]:
    """Return the folds among ``numbers`` whose run in the folder ``out`` is not finished."""
    return [number for number in numbers if not fold_run(out, number).is_finished]


def folded_records(plan: Plan, folds: Path | None) -> list[Record]:
    """Return the records of the data with the folds, patients and groups of the manifest ``folds``.

    Slices without a row in the manifest are left out. Rows are matched by content, and by path among files of the same
    content, of which no more are used than there are rows. Raises DataError for a row whose slice is not in the data.
    """
    found = scan(plan.data, patient_from=plan.patient_from)
    require_trainable(found, skip_unreadable=plan.skip_unreadable)
    if folds is None:
        return list(found.records)
    given = read_manifest(folds, verify=False)
    known = {record.key for record in found.records}
    missing = [record.name for record in given if record.key not in known]
    if missing:
        raise DataError(
            code="folds_of_other_data",
            rule=f"every row of {folds} must be a slice of {plan.data}",
            got=f"{len(missing)} are not, such as {missing[0]}",
            remedy="give the data that the folds were made from",
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
    """Match the rows of a manifest to records; return them by the index of the record."""
    waiting = {(row.key, row.path.resolve()): row for row in given}
    rows = {}
    for number, record in enumerate(records):
        row = waiting.pop((record.key, record.path.resolve()), None)
        if row is not None:
            rows[number] = row
    by_content: dict[str, list[Record]] = defaultdict(list)
    for row in waiting.values():
        by_content[row.key].append(row)
    for number, record in enumerate(records):
        if number not in rows and by_content[record.key]:
            rows[number] = by_content[record.key].pop(0)
    return rows


def joined_tables(tables: Sequence[Table]) -> Table:
    """Return the predictions of several models, each on its test fold, as one table."""
    return Table(
        classes=tables[0].classes,
        probabilities=np.concatenate([table.probabilities for table in tables]),
        truth=np.concatenate([table.truth for table in tables]),
        paths=tuple(path for table in tables for path in table.paths),
        groups=tuple(group for table in tables for group in table.groups),
        parts=tuple(part for table in tables for part in table.parts),
        digests=tuple(digest for table in tables for digest in table.digests),
        decisions=joined_decisions([table.decisions for table in tables]),
    )


def _require_same(records: Sequence[Record], listed: Path) -> None:
    if manifest_digest(read_manifest(listed, verify=False)) != manifest_digest(records):
        raise DataError(
            code="run_settings_differ",
            rule="--resume needs the data and folds of the first start",
            got=f"{listed} differs",
            remedy="choose another folder",
        )


def _require_settings(plan: Plan, records: Sequence[Record], number: int) -> None:
    """Raise DataError if the run of a fold, finished or not, was started with another recipe, seed or weights."""
    run = fold_run(plan.out, number)
    if not run.exists:
        return
    start = plan.weights.of_fold(number)
    outlined = any(record.outlined for record in records if record.fold != number)
    recipe = with_evidence(plan.recipe, outlined=outlined or has_lesion_decoder(start))
    settings = {"recipe": recipe.as_json(), "seed": plan.machine.seed, "weights_digest": start.digest}
    require_same(run, settings if start.digest else settings | {"weights": start.name})


def _require_starts(plan: Plan, numbers: Sequence[int]) -> None:
    """Raise WeightsError if weights of a fold are missing, or that fold of another cross-validation unfinished."""
    start = plan.weights
    if start.kind == "crossval" and start.path is not None:
        left = unfinished(start.path, numbers)
        if left:
            raise WeightsError(
                code="crossval_unfinished",
                rule="a cross-validation used as starting point must have finished the same folds",
                got=f"{', '.join(map(str, left))} of {start.text} are not",
                remedy="finish it with --resume, or give a run folder",
            )
    for number in numbers:
        _ = start.of_fold(number).digest


def _train_fold(plan: Plan, records: Sequence[Record], number: int, progress: Progress | None) -> None:
    """Train and test one fold; continue it if it was started, keep it if it is finished."""
    run = fold_run(plan.out, number)
    if run.is_finished:
        return
    parts = plan.out / f"fold-{number}.csv"
    write_manifest(parts, (replace(one, split="test" if one.fold == number else "train") for one in records))
    resume = run.path.is_dir() and any(run.path.iterdir())
    fold_plan = replace(plan, data=parts, out=run.path, weights=plan.weights.of_fold(number), resume=resume)

    _LOG.info("fold %d", number)

    def fold_progress(done: int, total: int, what: str) -> None:
        assert progress is not None, "only called with a progress callback"
        progress(done, total, f"fold {number}: {what}")

    train_model(fold_plan, progress=fold_progress if progress else None)


def _pooled(plan: Plan, records: Sequence[Record], table: Table) -> Evaluation:
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
            reason_code=table.decisions.reason_codes[row] if table.decisions else "",
        )
        for row, picture in zip(rows, wrong.slices, strict=True)
    ]
    folds = sorted({record.fold for record in records if record.fold is not None})
    first = fold_run(plan.out, folds[0]).read()
    context = ReportContext(
        title=f"{plan.recipe.name} on {scan(plan.data).name}, {len(folds)} folds pooled",
        model="one model for each fold",
        created=datetime.now(UTC).date().isoformat(),
        facts={
            "recipe name": plan.recipe.name,
            "folds": ", ".join(map(str, folds)),
            "manifest digest": manifest_digest(records),
            "seed": str(plan.machine.seed),
            "weights": plan.weights.name,
            "Gadolin": __version__,
        },
        mistakes=mistakes,
        notes=(
            "Each slice was predicted by the model of its fold, which was trained on the other folds only.",
            *pretraining_notes(first.finetuned_from, records),
        ),
    )
    return Evaluation(table, measure(table), context)
