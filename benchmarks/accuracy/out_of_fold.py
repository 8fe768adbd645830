"""Multi-source networks on their held-out folds of Figshare: accuracy by person, and calibration.

    python -m benchmarks run out_of_fold RUN ... [--write]

RUN are finished runs of ``travel`` with one recipe and seed, one for each fold. The result has the scores, the majority
vote of each person, and the calibration of each network beside the ECE that a perfectly calibrated network with the
same probabilities has by chance (classes drawn from them 200 times).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.accuracy.tables import correct_by_person, four_and_three_classes, summary_lines
from benchmarks.publish import markdown, percent, publish, wilson
from gadolin.metrics import measure
from gadolin.metrics.calibration import expected_calibration_error
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import RunFolder
from gadolin.training.crossval import joined_tables

DRAWS = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    folds = [read_table(RunFolder(run).predictions) for run in arguments.runs]
    lines = [*summary_lines(folds), "", *persons(folds), "", *calibration(folds)]
    publish("out-of-fold", "Five patient-level folds, recipe of the packaged model", lines, write=arguments.write)


def persons(folds: Sequence[Table]) -> list[str]:
    """Return how many patients the majority vote of their slices classifies correctly, with four and three classes."""
    cells = []
    for name, table in four_and_three_classes(joined_tables(folds))[1:]:
        votes = correct_by_person(table)
        right = sum(votes.values())
        low, high = wilson(right / len(votes), len(votes))
        cells.append([name, f"{right} of {len(votes)}", f"{100 * low:.1f}-{100 * high:.1f} %"])
    return markdown(["patients, by the majority of their slices", "correct", "95 %"], cells)


def calibration(folds: Sequence[Table]) -> list[str]:
    """Return log loss, Brier score and ECE, means over folds, beside the ECE of a perfectly calibrated network."""
    cells = []
    for number, (name, _) in enumerate(four_and_three_classes(folds[0])):
        tables = [four_and_three_classes(one)[number][1] for one in folds]
        scores = [measure(one, resamples=0).as_json() for one in tables]
        mean = {key: np.mean([one[key]["value"] for one in scores]) for key in ("nll", "brier", "ece")}
        perfect = np.mean([ece_of_perfect(one) for one in tables])
        cells.append([name, f"{mean['nll']:.3f}", f"{mean['brier']:.3f}", percent(mean["ece"]), percent(perfect)])
    return markdown(["mean of the folds", "log loss", "Brier", "ECE", "ECE if perfectly calibrated"], cells)


def ece_of_perfect(table: Table) -> float:
    """Return the mean ECE of perfectly calibrated networks with the probabilities of a table."""
    random = np.random.default_rng(0)
    edges = np.cumsum(table.probabilities, axis=1)[:, :-1]
    found = []
    for _ in range(DRAWS):
        drawn = (random.random(len(edges))[:, None] > edges).sum(axis=1)
        found.append(expected_calibration_error(replace(table, truth=drawn)))
    return float(np.mean(found))
