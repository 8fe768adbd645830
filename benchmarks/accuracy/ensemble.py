"""Ensembles of cross-validations: the geometric mean of their probabilities, from docs/predictions.

    python -m benchmarks run ensemble robust-seed0 hardened-seed0 [--folds 0 1 2 3 4] [--write]

The tables are those of ``crossval``. Each slice gets the mean of the networks that were not trained on its patient,
each calibrated on its own validation part; the mean is not calibrated again. The result also has each
cross-validation alone, the median of a recipe's seeds, the errors that the seeds share, and the selective accuracy by
other measures of confidence. ``--folds`` takes some folds only; ``--write`` needs all five.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from benchmarks.accuracy.tables import four_and_three_classes, summary_lines
from benchmarks.datasets import FOLDS
from benchmarks.publish import markdown, percent, predictions_path, publish, with_interval
from gadolin.metrics import measure
from gadolin.metrics.selective import ANSWERED
from gadolin.metrics.table import Table, read_table
from gadolin.training.crossval import joined_tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="RECIPE-seedN of cross-validations whose predictions are stored")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    if len(arguments.names) < 2:
        parser.error("an ensemble needs two cross-validations or more")
    if arguments.write and arguments.folds != list(range(FOLDS)):
        parser.error("--write needs all folds")
    answers = [[answered(name, fold) for fold in arguments.folds] for name in arguments.names]
    means = [mean(of_one_fold) for of_one_fold in zip(*answers, strict=True)]
    tables = [joined_tables(folds) for folds in answers]
    lines = [*summary_lines(means), "", *alone(arguments.names, tables), "", *shared(arguments.names, tables)]
    lines += ["", ordered(joined_tables(means), tables)]
    title = f"Mean of {len(answers)} networks, folds {', '.join(map(str, arguments.folds))}"
    publish("crossval-ensemble", title, lines, write=arguments.write)


def alone(names: Sequence[str], tables: Sequence[Table]) -> list[str]:
    """Return the table of scores of each cross-validation, and of the median over the seeds of each recipe."""
    cells, by_recipe = [], defaultdict(list)
    for name, table in zip(names, tables, strict=True):
        four, _, three = (measure(part).as_json() for _, part in four_and_three_classes(table))
        figures = (four["accuracy"], three["accuracy"], four["macro_f1"], four["selective_accuracy"], four["ece"])
        by_recipe[name.partition("-seed")[0]].append([each["value"] for each in figures])
        cells.append([name, *map(with_interval, figures[:-1]), percent(figures[-1]["value"])])
    for recipe, values in by_recipe.items():
        if len(values) > 1:
            cells.append([f"{recipe}, median of {len(values)} seeds", *map(percent, np.median(values, axis=0))])
    head = [
        "each network alone",
        "four classes (95 %)",
        "tumour classes only",
        "macro F1",
        "selective accuracy at 90 % coverage",
        "ECE (15 bins)",
    ]
    return markdown(head, cells)


def shared(names: Sequence[str], tables: Sequence[Table]) -> list[str]:
    """Return how many errors the seeds of each recipe share."""
    wrong = defaultdict(list)
    for name, table in zip(names, tables, strict=True):
        wrong[name.partition("-seed")[0]].append(~table.correct)
    return [
        f"Slices predicted wrongly with any of {len(seeds)} seeds of {recipe}: {int(np.any(seeds, axis=0).sum())}; "
        f"with all of them: {int(np.all(seeds, axis=0).sum())}."
        for recipe, seeds in wrong.items()
        if len(seeds) > 1
    ]


def ordered(whole: Table, tables: Sequence[Table]) -> str:
    """Return the selective accuracy of the ensemble by margin, entropy and least probability of any network."""
    rows = np.arange(len(whole))
    likely = np.sort(whole.probabilities, axis=1)
    orders = {
        "the margin": likely[:, -1] - likely[:, -2],
        "the entropy": (likely * np.log(np.maximum(likely, 1e-12))).sum(axis=1),
        "the lowest probability that any network gives the predicted class": np.min(
            [each.probabilities[rows, whole.predicted] for each in tables], 0
        ),
    }
    surest = math.ceil(ANSWERED * len(whole))
    parts = [
        f"{percent(float(whole.correct[np.argsort(-order, kind='stable')[:surest]].mean()))} by {name}"
        for name, order in orders.items()
    ]
    sure = [int((~whole.correct & (whole.confidence > bound)).sum()) for bound in (0.9, 0.99)]
    return (
        "If slices are ranked by another score than the highest probability, the selective accuracy of the mean at 90 "
        f"% coverage is {', '.join(parts)}. Of its {int((~whole.correct).sum())} errors, {sure[0]} have p above 0.9, "
        f"{sure[1]} above 0.99."
    )


def answered(name: str, fold: int) -> Table:
    """Return the stored predictions of a fold, sorted by slice."""
    kept = predictions_path(f"crossval-{name}-fold{fold}")
    if not kept.is_file():
        msg = f"no predictions of {name} for fold {fold}; run crossval --folds {fold} --write"
        raise SystemExit(msg)
    table = read_table(kept)
    return table.only(np.argsort(np.array(table.digests), kind="stable"))


def mean(tables: Sequence[Table]) -> Table:
    """Return the geometric mean of prediction tables of the same slices."""
    first = tables[0]
    if any(each.digests != first.digests or each.classes != first.classes for each in tables):
        msg = "the cross-validations must have the same slices and classes"
        raise SystemExit(msg)
    logs = np.mean([np.log(np.maximum(each.probabilities, 1e-12)) for each in tables], axis=0)
    likely = np.exp(logs - logs.max(axis=1, keepdims=True))
    return replace(first, probabilities=likely / likely.sum(axis=1, keepdims=True))
