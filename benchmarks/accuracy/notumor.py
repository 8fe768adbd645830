"""Predictions for notumor slices that are CT or show another lesion, from docs/predictions.

    python -m benchmarks run notumor robust-seed0 hardened-seed0 [--write]

Each slice has the prediction of the network whose training left it out. docs/notumor-by-eye.csv lists which slices are
CT or show another lesion, judged by eye, not by a radiologist.
"""

from __future__ import annotations

import argparse
import csv

import numpy as np

from benchmarks.accuracy.ensemble import answered
from benchmarks.datasets import FOLDS
from benchmarks.publish import ROOT, markdown, publish, share
from gadolin.metrics.table import Table
from gadolin.training.crossval import joined_tables

SURE = 0.9
OTHERS = "all others"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="RECIPE-seedN of cross-validations whose predictions are stored")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    with (ROOT / "docs" / "notumor-by-eye.csv").open(newline="", encoding="utf-8") as file:
        seen = {row["digest"]: row["seen"] for row in csv.DictReader(file)}
    cells = []
    for name in arguments.names:
        cells += rows(name, joined_tables([answered(name, fold) for fold in range(FOLDS)]), seen)
    head = ["cross-validation", "pictures", "n", "a tumour predicted", "notumor with p ≥ 0.9"]
    note = (
        "Labelled by eye, not by a radiologist (`docs/notumor-by-eye.csv`). The intervals treat images as independent."
    )
    publish(
        "notumor",
        "Predictions for the pictures labelled notumor",
        [*markdown(head, cells), "", note],
        write=arguments.write,
    )


def rows(name: str, table: Table, seen: dict[str, str]) -> list[list[str]]:
    """Return a row for each kind of notumor slice."""
    notumor = table.classes.index("notumor")
    own = table.only(np.flatnonzero(table.truth == notumor))
    kinds = np.array([seen.get(digest, OTHERS) for digest in own.digests])
    missing = seen.keys() - set(own.digests)
    assert not missing, f"{len(missing)} listed slices have no prediction"
    cells = []
    for kind in (*sorted(set(seen.values())), OTHERS):
        here = kinds == kind
        wrong = int((own.predicted[here] != notumor).sum())
        sure = int((own.probabilities[here, notumor] >= SURE).sum())
        count = int(here.sum())
        cells.append([name, kind, str(count), share(wrong, count), share(sure, count)])
    return cells
