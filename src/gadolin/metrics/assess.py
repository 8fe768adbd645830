"""Predict a data set and return the table of predictions and ground truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.datasets.header_sequences import header_sequences
from gadolin.errors import DataError, suggestion
from gadolin.metrics.decisions import Decisions
from gadolin.metrics.table import Table
from gadolin.models.decision import class_probabilities
from gadolin.models.predictor import Inspected, Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.preprocessing.cache import Prepared, prepared_slices
from gadolin.progress import Progress
from gadolin.records import Header, Prediction, Record
from gadolin.splits import grouping_keys

__all__ = ["assess", "predictions_of", "tested_records"]

_CHUNK = 64


def tested_records(records: Sequence[Record]) -> list[Record]:
    """Return the records of the test part, or all records if there is none."""
    return [record for record in records if record.split == "test"] or list(records)


def assess(
    predictor: Predictor,
    records: Sequence[Record],
    *,
    parts: Mapping[str, str] | None = None,
    prepared: Prepared | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Table, Prepared]:
    """Predict every record and return the table, and the prepared slices in the same order.

    The table holds the probabilities and, as ``decisions``, the predictions of ``Predictor.decide``, as in
    ``gadolin predict``.

    ``parts`` maps the key of a slice to its subset. ``prepared`` are the prepared slices, or the cache folder to
    prepare them into. Raises DataError where a label is not a class of the model.
    """
    classes = predictor.bundle.classes
    for record in records:
        if record.label not in classes:
            known = ", ".join(classes)
            raise DataError(
                code="label_unknown_to_model",
                rule=f"every label must be a class of the model ({known})",
                got=f"{record.name} has {record.label!r}{suggestion(record.label, classes)}",
                remedy="evaluate on data with the same classes",
            )
    if not isinstance(prepared, Prepared):
        prepared = prepared_slices(records, predictor.bundle.preparation, prepared, progress=progress)
    inspected = _inspected(predictor, records, prepared)
    names = tuple(record.name for record in records)
    likely: list[NDArray[np.float32]] = []
    predictions: list[Prediction] = []
    for start in range(0, len(records), _CHUNK):
        chunk = slice(start, start + _CHUNK)
        output = predictor.run_network(prepared.slices[chunk])
        likely.append(class_probabilities(output.logits, predictor.bundle, predictor.sequences(output)))
        predictions += predictor.decide(output, inspected[chunk], names[chunk])
        if progress is not None:
            progress(min(start + _CHUNK, len(records)), len(records), "evaluating")
    rows = np.concatenate(likely).astype(np.float64)
    table = Table(
        classes=classes,
        probabilities=rows / rows.sum(axis=1, keepdims=True),
        truth=np.array([classes.index(record.label) for record in records], np.int64),
        paths=names,
        groups=tuple(grouping_keys(records)),
        parts=tuple((parts or {}).get(record.key, "") for record in records),
        digests=tuple(record.key for record in records),
        decisions=Decisions.of(predictions),
    )
    return table, prepared


def _inspected(predictor: Predictor, records: Sequence[Record], prepared: Prepared) -> list[Inspected]:
    """Return the prepared slices as ``Predictor.inspect`` does, from what the cache knows of their pictures."""
    coloured, several = set(prepared.coloured), set(prepared.several)
    # Without a list of validated sequences, no decision depends on the header.
    headers = header_sequences(records) if predictor.bundle.validated is not None else [""] * len(records)
    return [
        Inspected(
            prepared.slices[row],
            predictor.decline_reason(colour=row in coloured, several=row in several),
            Header(sequence=header),
        )
        for row, header in enumerate(headers)
    ]


def predictions_of(run: Path) -> Path:
    """Return the predictions.csv of a run folder or an evaluation folder, or the file itself."""
    if run.is_file():
        return run
    folders = (run / "evaluation",) if RunFolder(run).exists else (run, run / "evaluation")
    for folder in folders:
        if (folder / "predictions.csv").is_file():
            return folder / "predictions.csv"
    raise DataError(
        code="predictions_not_found",
        rule="a comparison needs predictions",
        got=f"{run} holds no evaluation/predictions.csv",
        remedy="evaluate the model first",
    )
