"""The mean of several cross-validations' answers, from the tables that crossval.py keeps in docs/predictions.

    python benchmarks/ensemble.py robust-seed0 hardened-seed0 [--folds 0 1 2 3 4] [--write]

Each slice is answered for by the networks of its fold, none of which learned from its person: the geometric mean of
their probabilities, each calibrated on its own validation part; no temperature is fitted after it. Each
cross-validation alone stands beside it, the median of a recipe's seeds and how many mistakes these share, and what
other orders of confidence than the probability are worth. ``--folds`` looks at some folds alone; all
five are written.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from crossval import FOLDS, rows, ways
from gadolin.metrics import measure
from gadolin.metrics.selective import ANSWERED
from gadolin.metrics.table import Table, read_table
from gadolin.training.crossval import joined_tables
from publish import kept_at, markdown, percent, publish, shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="RECIPE-seedN of cross-validations whose folds are kept")
    parser.add_argument("--folds", type=int, nargs="+", default=list(range(FOLDS)))
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    if len(arguments.names) < 2:
        parser.error("a mean is of two cross-validations or more")
    if arguments.write and arguments.folds != list(range(FOLDS)):
        parser.error("only the answers of all folds are written")
    answers = [[answered(name, fold) for fold in arguments.folds] for name in arguments.names]
    means = [mean(of_one_fold) for of_one_fold in zip(*answers, strict=True)]
    tables = [joined_tables(folds) for folds in answers]
    lines = [*rows(means), "", *alone(arguments.names, tables), "", *shared(arguments.names, tables)]
    lines += ["", ordered(joined_tables(means), tables)]
    title = f"Person-grouped folds {', '.join(map(str, arguments.folds))}: the mean of {len(answers)} networks for each"
    publish("crossval-ensemble", title, lines, write=arguments.write)


def alone(names: Sequence[str], tables: Sequence[Table]) -> list[str]:
    """Return a table of what each cross-validation is worth, and of the median of each recipe's seeds."""
    cells, by_recipe = [], defaultdict(list)
    for name, table in zip(names, tables, strict=True):
        four, _, three = (measure(part).as_json() for _, part in ways(table))
        figures = (four["accuracy"], three["accuracy"], four["macro_f1"], four["selective_accuracy"], four["ece"])
        by_recipe[name.partition("-seed")[0]].append([each["value"] for each in figures])
        cells.append([name, *map(shown, figures[:-1]), percent(figures[-1]["value"])])
    for recipe, values in by_recipe.items():
        if len(values) > 1:
            cells.append([f"{recipe}, median of {len(values)} seeds", *map(percent, np.median(values, axis=0))])
    head = ["alone", "four classes (95 %)", "three answers", "macro F1", "surest 90 %", "ECE (15 bins)"]
    return markdown(head, cells)


def shared(names: Sequence[str], tables: Sequence[Table]) -> list[str]:
    """Return how many mistakes the seeds of each recipe have in common."""
    wrong = defaultdict(list)
    for name, table in zip(names, tables, strict=True):
        wrong[name.partition("-seed")[0]].append(~table.correct)
    return [
        f"Wrong with any of {len(seeds)} seeds of {recipe}: {int(np.any(seeds, axis=0).sum())} slices; with all of "
        f"them: {int(np.all(seeds, axis=0).sum())}."
        for recipe, seeds in wrong.items()
        if len(seeds) > 1
    ]


def ordered(whole: Table, tables: Sequence[Table]) -> str:
    """Return what the surest of the mean's answers are worth where something else than its probability orders them."""
    rows = np.arange(len(whole))
    likely = np.sort(whole.probabilities, axis=1)
    orders = {
        "the margin": likely[:, -1] - likely[:, -2],
        "the entropy": (likely * np.log(np.maximum(likely, 1e-12))).sum(axis=1),
        "the least that any network gives": np.min([each.probabilities[rows, whole.predicted] for each in tables], 0),
    }
    surest = math.ceil(ANSWERED * len(whole))
    told = [
        f"{percent(float(whole.correct[np.argsort(-order, kind='stable')[:surest]].mean()))} by {name}"
        for name, order in orders.items()
    ]
    sure = [int((~whole.correct & (whole.confidence > bound)).sum()) for bound in (0.9, 0.99)]
    return (
        f"The surest 90 % of the mean's answers by another order: {', '.join(told)}. Of its "
        f"{int((~whole.correct).sum())} mistakes {sure[0]} have p above 0.9, {sure[1]} above 0.99."
    )


def answered(name: str, fold: int) -> Table:
    """Return the answers for a fold, sorted by slice."""
    kept = kept_at(f"crossval-{name}-fold{fold}")
    if not kept.is_file():
        msg = f"the answers of {name} for fold {fold} are not kept yet; crossval.py --folds {fold} --write keeps them"
        raise SystemExit(msg)
    table = read_table(kept)
    return table.only(np.argsort(np.array(table.digests), kind="stable"))


def mean(tables: Sequence[Table]) -> Table:
    """Return the geometric mean of tables of the same slices."""
    first = tables[0]
    if any(each.digests != first.digests or each.classes != first.classes for each in tables):
        msg = "the cross-validations must be of the same slices and classes"
        raise SystemExit(msg)
    logs = np.mean([np.log(np.maximum(each.probabilities, 1e-12)) for each in tables], axis=0)
    likely = np.exp(logs - logs.max(axis=1, keepdims=True))
    return replace(first, probabilities=likely / likely.sum(axis=1, keepdims=True))


if __name__ == "__main__":
    main()
