"""What networks of several sources are worth on the folds that they did not learn from, of persons of Figshare.

    python benchmarks/out_of_fold.py RUN ... [--write]

RUN are finished runs of ``travel.py`` by one recipe and seed, one for each fold. AuditInputs all figures: persons
by the majority of their slices, and how well each network is calibrated, next to what a perfectly calibrated one with
its very probabilities would show by chance alone (classes drawn from them, 200 times).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from crossval import rows, ways
from gadolin.metrics import measure
from gadolin.metrics.calibration import expected_calibration_error
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import RunFolder
from gadolin.training.crossval import joined_tables
from publish import markdown, percent, publish, wilson
from shipped import by_person

DRAWS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    folds = [read_table(RunFolder(run).predictions) for run in arguments.runs]
    lines = [*rows(folds), "", *persons(folds), "", *calibration(folds)]
    publish("out-of-fold", "Persons of folds that were left out", lines, write=arguments.write)


def persons(folds: Sequence[Table]) -> list[str]:
    """Return how many persons are right by the majority of their slices, among three answers and among four."""
    cells = []
    for name, table in ways(joined_tables(folds))[1:]:
        votes = by_person(table)
        right = sum(votes.values())
        low, high = wilson(right / len(votes), len(votes))
        cells.append([name, f"{right} of {len(votes)}", f"{100 * low:.1f}-{100 * high:.1f} %"])
    return markdown(["persons by the majority of their slices", "right", "95 %"], cells)


def calibration(folds: Sequence[Table]) -> list[str]:
    """Return log loss, Brier score and ECE, each the mean of the folds, beside a perfectly calibrated network's ECE."""
    cells = []
    for number, (name, _) in enumerate(ways(folds[0])):
        tables = [ways(one)[number][1] for one in folds]
        scores = [measure(one, resamples=0).as_json() for one in tables]
        mean = {key: np.mean([one[key]["value"] for one in scores]) for key in ("nll", "brier", "ece")}
        perfect = np.mean([ece_of_perfect(one) for one in tables])
        cells.append([name, f"{mean['nll']:.3f}", f"{mean['brier']:.3f}", percent(mean["ece"]), percent(perfect)])
    return markdown(["mean of the folds", "log loss", "Brier", "ECE", "ECE if perfectly calibrated"], cells)


def ece_of_perfect(table: Table) -> float:
    """Return the mean ECE of networks whose answers are right as often as the probabilities of a table say."""
    random = np.random.default_rng(0)
    edges = np.cumsum(table.probabilities, axis=1)[:, :-1]
    found = []
    for _ in range(DRAWS):
        drawn = (random.random(len(edges))[:, None] > edges).sum(axis=1)
        found.append(expected_calibration_error(replace(table, truth=drawn)))
    return float(np.mean(found))


if __name__ == "__main__":
    main()
