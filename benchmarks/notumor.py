"""What networks name in the pictures of ``notumor`` that are no healthy head, from the tables in docs/predictions.

    python benchmarks/notumor.py robust-seed0 hardened-seed0 [--write]

Each picture is answered for by the network of its fold, which did not learn from it. Which pictures are CT, and which
show a lesion of another kind, was judged by eye and by no radiologist: docs/notumor-by-eye.csv.
"""

from __future__ import annotations

import argparse
import csv

import numpy as np

from crossval import FOLDS
from ensemble import answered
from gadolin.metrics.table import Table
from gadolin.training.crossval import joined_tables
from publish import ROOT, markdown, publish, share

SURE = 0.9
OTHERS = "all others"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="+", help="RECIPE-seedN of cross-validations whose folds are kept")
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    with (ROOT / "docs" / "notumor-by-eye.csv").open(newline="", encoding="utf-8") as file:
        seen = {row["digest"]: row["seen"] for row in csv.DictReader(file)}
    cells = []
    for name in arguments.names:
        cells += rows(name, joined_tables([answered(name, fold) for fold in range(FOLDS)]), seen)
    head = ["cross-validation", "pictures", "n", "a tumour named", "notumor with p ≥ 0.9"]
    told = "By eye, and by no radiologist (`docs/notumor-by-eye.csv`). The intervals take pictures for independent."
    publish("notumor", "What notumor holds", [*markdown(head, cells), "", told], write=arguments.write)


def rows(name: str, table: Table, seen: dict[str, str]) -> list[list[str]]:
    """Return a row for each kind of picture of ``notumor``."""
    notumor = table.classes.index("notumor")
    own = table.only(np.flatnonzero(table.truth == notumor))
    kinds = np.array([seen.get(digest, OTHERS) for digest in own.digests])
    missing = seen.keys() - set(own.digests)
    assert not missing, f"{len(missing)} pictures of the list were not answered for"
    cells = []
    for kind in (*sorted(set(seen.values())), OTHERS):
        here = kinds == kind
        wrong = int((own.predicted[here] != notumor).sum())
        sure = int((own.probabilities[here, notumor] >= SURE).sum())
        count = int(here.sum())
        cells.append([name, kind, str(count), share(wrong, count), share(sure, count)])
    return cells


if __name__ == "__main__":
    main()
