"""Tables of accuracy, calibration and confusion from prediction tables."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.publish import markdown, percent, with_interval
from gadolin.metrics import Measurement, measure
from gadolin.metrics.table import Table
from gadolin.training.crossval import joined_tables


def summary_lines(folds: Sequence[Table]) -> list[str]:
    """Return Markdown of the pooled folds: scores, calibration and coverage, and the confusion matrix."""
    measured = {name: measure(part) for name, part in four_and_three_classes(joined_tables(folds))}
    scores_rows, calibration_rows = [], []
    for name, found in measured.items():
        scores = found.as_json()
        figures = [with_interval(scores[key]) for key in ("accuracy", "balanced_accuracy", "macro_f1")]
        scores_rows.append([name, f"{scores['n']} in {scores['groups']} groups", *figures])
        ece, coverage = (percent(scores[key]["value"]) for key in ("ece", "coverage"))
        calibration_rows.append([name, ece, with_interval(scores["selective_accuracy"]), coverage])
    scores_head = ["what", "n", "accuracy (95 %)", "balanced accuracy", "macro F1"]
    calibration_head = ["what", "ECE (15 bins)", "selective accuracy at 90 % coverage", "coverage at 99 % accuracy"]
    return [
        *markdown(scores_head, scores_rows),
        "",
        *markdown(calibration_head, calibration_rows),
        "",
        calibration_by_fold(folds),
        "",
        *confusion_table(measured["four classes"]),
    ]


def calibration_by_fold(folds: Sequence[Table]) -> str:
    """Return the ranges of ECE and coverage over single folds, which pooling hides."""
    scores = [measure(each, resamples=0).as_json() for each in folds]
    ece, coverage = ([100 * each[key]["value"] for each in scores] for key in ("ece", "coverage"))
    return (
        f"For each fold alone (four classes), the ECE is {min(ece):.1f} to {max(ece):.1f} % and the coverage at 99 % "
        f"accuracy {min(coverage):.1f} to {max(coverage):.1f} %. In the pooled ECE above, overconfidence of one "
        "network and underconfidence of another cancel out."
    )


def confusion_table(measured: Measurement) -> list[str]:
    """Return the confusion matrix with the recall of each class."""
    scores = measured.overall
    cells = [
        [name, *map(str, row), with_interval(one.figures["recall"].as_json())]
        for (name, one), row in zip(scores.per_class.items(), scores.confusion, strict=True)
    ]
    return markdown(["true class", *(f"predicted {name}" for name in scores.per_class), "recall (95 %)"], cells)


def four_and_three_classes(table: Table) -> tuple[tuple[str, Table], ...]:
    """Return the table with all four classes, and its tumour slices with four and with three possible classes."""
    tumour = table.only(np.array([table.classes[truth] != "notumor" for truth in table.truth]))
    columns = [column for column, name in enumerate(table.classes) if name != "notumor"]
    among = tumour.probabilities[:, columns]
    three = replace(
        tumour,
        classes=tuple(table.classes[column] for column in columns),
        probabilities=among / among.sum(axis=1, keepdims=True),
        truth=np.searchsorted(columns, tumour.truth),
        decisions=None,  # they are among all classes
    )
    return (
        ("four classes", table),
        ("tumour slices, four classes", tumour),
        ("tumour slices, tumour classes only", three),
    )


def correct_by_person(table: Table) -> dict[str, bool]:
    """Return for each person whether the majority vote over the slices is right."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    truth: dict[str, Counter[int]] = defaultdict(Counter)
    for person, predicted, true in zip(table.groups, table.predicted.tolist(), table.truth.tolist(), strict=True):
        votes[person][predicted] += 1
        truth[person][true] += 1
    return {person: votes[person].most_common(1)[0][0] == truth[person].most_common(1)[0][0] for person in votes}
