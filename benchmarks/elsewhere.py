"""What models say of tumours on pictures of other hospitals.

    python benchmarks/elsewhere.py FIGSHARE KAGGLE [--models RUN ...] [--half kept] [--work FOLDER] [--write]

Some tumour pictures of the Kaggle set are no copies of Figshare slices: they were gathered from other places, on other
scanners and in other sequences, nearly all of them of meningiomas. No network here learns from them. The first of each
group of copies is taken, and every second one may choose between networks (``--half chosen``); the others are what is
published (``kept``). docs/tables/elsewhere.csv tells by eye, one picture of each group, which are T1 with contrast.
The model that comes with the package is asked first, then those of ``--models``.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from figshare_fold import figshare_manifest
from gadolin.bundle import SHIPPED
from gadolin.cache import prepared_slices
from gadolin.copies import find_copies
from gadolin.manifest import read_manifest, write_manifest
from gadolin.predictor import Predictor
from gadolin.prepare import Preparation
from gadolin.readers import read
from gadolin.records import Prediction, Record
from gadolin.sources import scan
from publish import ROOT, markdown, publish, share
from shipped import SURE, verdicts

SEQUENCES = ROOT / "docs" / "tables" / "elsewhere.csv"
HALVES = {"chosen": "validation", "kept": "test"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="runs and bundles to compare with")
    parser.add_argument("--half", choices=HALVES, default="kept")
    parser.add_argument("--work", type=Path, default=Path("runs/elsewhere"))
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md and the card")
    arguments = parser.parse_args()
    manifest = arguments.work / "elsewhere.csv"
    if not manifest.is_file():
        write_manifest(manifest, elsewhere(arguments.figshare, arguments.kaggle, arguments.work))
    asked = [one for one in read_manifest(manifest, verify=False) if one.split == HALVES[arguments.half]]
    rows = []
    for model in (SHIPPED, *arguments.models):
        name = "the model of the package" if model == SHIPPED else model.name
        rows += told(name, verdicts(Predictor.load(model), (read(one.path) for one in asked)), asked)
    head = [
        "model",
        "pictures",
        "n",
        "right",
        "right among three",
        "called notumor",
        "declined",
        "named, of these right",
    ]
    lines = [*markdown([*head, f"wrong with p ≥ {SURE} and named"], rows), "", counted(asked)]
    title = "Tumours on pictures of other hospitals"
    publish("elsewhere", title, lines, write=arguments.write and arguments.half == "kept")


def elsewhere(figshare: Path, kaggle: Path, work: Path) -> list[Record]:
    """Return the first of each group of copies of the Kaggle set's tumours that show no Figshare slice, in halves."""
    known = read_manifest(figshare_manifest(figshare, work, fold=0))
    tumours = [one for one in scan(kaggle).records if one.label != "notumor"]
    copies = find_copies(prepared_slices([*known, *tumours], Preparation()).slices)
    groups = copies.groups.tolist()
    first: dict[int, Record] = {}
    for group, record in zip(groups[len(known) :], tumours, strict=True):
        if group not in groups[: len(known)]:
            first.setdefault(group, record)
    parts = tuple(HALVES.values())
    return [replace(one, split=parts[number % 2], fold=None) for number, one in enumerate(first.values())]


def told(model: str, answers: Sequence[Prediction], asked: Sequence[Record]) -> list[list[str]]:
    """Return a row for the pictures in T1 with contrast, and one for those in other sequences."""
    with SEQUENCES.open(newline="", encoding="utf-8") as file:
        sequences = {row["name"]: row["sequence"] for row in csv.DictReader(file)}
    rows = []
    for sequence in sorted(set(sequences.values())):
        some = [pair for pair in zip(answers, asked, strict=True) if sequences[pair[1].path.name] == sequence]
        rows.append([model, sequence, str(len(some)), *figures(some)])
    return rows


def figures(pairs: Sequence[tuple[Prediction, Record]]) -> list[str]:
    best = [max(one.probabilities, key=one.probabilities.__getitem__) for one, _ in pairs]
    among = [max((name for name in one.probabilities if name != "notumor"), key=one.probabilities.__getitem__)
             for one, _ in pairs]  # fmt: skip
    labels = [record.label for _, record in pairs]
    right = np.array([said == true for said, true in zip(best, labels, strict=True)])
    named = np.array([not one.abstained for one, _ in pairs])
    sure = np.array([max(one.probabilities.values()) >= SURE for one, _ in pairs])
    count = len(pairs)
    return [
        share(int(right.sum()), count),
        share(sum(said == true for said, true in zip(among, labels, strict=True)), count),
        share(best.count("notumor"), count),
        share(int((~named).sum()), count),
        f"{int((named & right).sum())} of {int(named.sum())}",
        share(int((named & sure & ~right).sum()), count),
    ]


def counted(asked: Sequence[Record]) -> str:
    counts = {label: sum(one.label == label for one in asked) for label in sorted({one.label for one in asked})}
    return f"{', '.join(f'{label} {count}' for label, count in counts.items())}; right: the most probable of four."


if __name__ == "__main__":
    main()
