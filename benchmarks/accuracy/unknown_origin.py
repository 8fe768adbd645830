"""Tumour slices of Kaggle that are not in Figshare: accuracy on images of unknown origin.

    python -m benchmarks run unknown_origin FIGSHARE KAGGLE [--br35h FOLDER] [--models RUN ...] [--work FOLDER]
        [--write]

Some tumour images of the Kaggle set are no duplicates of Figshare slices. Their origin is unknown: many scanners,
several sequences, some CT, nearly all meningiomas. The first of each group of duplicates is taken.
docs/tables/unknown-origin.csv has the modality and the probable case of each, judged by eye, not by a radiologist.
The half ``chosen`` may select between networks; the half ``kept`` shares no case with it. The packaged model is
evaluated first, then ``--models``; models that were trained on one of these images are refused. ``--br35h`` leaves
out every case that Br35H has too, for models that were trained on its tumours.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.datasets import figshare_manifest
from benchmarks.publish import ROOT, markdown, publish, share
from benchmarks.verdicts import CONFIDENT, predict_all
from gadolin.datasets import scan
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.duplicates import find_copies
from gadolin.models.bundle import SHIPPED
from gadolin.models.predictor import Predictor
from gadolin.models.starting_point import StartingPoint
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.readers import read
from gadolin.records import Prediction, Record
from gadolin.training.pretrained_weights import require_unseen

LOOKED_AT = ROOT / "docs" / "tables" / "unknown-origin.csv"
HALVES = {"kept": "held out", "chosen": "used for model selection"}
HEAD = ["model", "half", "pictures", "n", "right", "correct among tumour classes", "predicted notumor", "declined"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("--br35h", type=Path, help="folder of Br35H's tumours and their slices.csv")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="runs and bundles to compare")
    parser.add_argument("--work", type=Path, default=Path("runs/unknown-origin"))
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    manifest = arguments.work / "images.csv"
    if not manifest.is_file():
        write_manifest(manifest, unknown_origin(arguments.figshare, arguments.kaggle, arguments.work))
    records = read_manifest(manifest, verify=False)
    with LOOKED_AT.open(newline="", encoding="utf-8") as file:
        listed = {row["name"]: row for row in csv.DictReader(file)}
    if arguments.br35h:
        cases = {listed[name]["case"] for name in in_br35h(arguments.br35h) & listed.keys()}
        listed = {name: row for name, row in listed.items() if row["case"] not in cases}
        records = [one for one in records if one.path.name in listed]
    rows = []
    for model in (SHIPPED, *arguments.models):
        require_unseen(StartingPoint.resolve(str(model)), records)
        name = "packaged model" if model == SHIPPED else f"{model.parent.name}, {model.name}"
        answers = predict_all(Predictor.load(model), (read(one.path) for one in records))
        rows += rows_of(name, answers, records, listed)
    head = [*HEAD, "correct of the answered", f"wrong with p ≥ {CONFIDENT}, not declined"]
    counts = {label: sum(one.label == label for one in records) for label in sorted({one.label for one in records})}
    note = (
        "All pictures, also those in neither half: "
        f"{', '.join(f'{label} {count}' for label, count in counts.items())}, of about "
        f"{len({row['case'] for row in listed.values()})} cases. Right: the most probable of the four classes is "
        "correct, whether the picture is declined or not. The intervals treat images as independent."
    )
    publish("unknown-origin", "Tumours of unknown origin", [*markdown(head, rows), "", note], write=arguments.write)


def in_br35h(folder: Path) -> set[str]:
    """Return the file names of the Kaggle images that Br35H has too."""
    with (folder / "slices.csv").open(newline="", encoding="utf-8") as file:
        return {Path(row["kaggle_match"]).name for row in csv.DictReader(file) if row["kaggle_match"]}


def unknown_origin(figshare: Path, kaggle: Path, work: Path) -> list[Record]:
    """Return the first of each group of duplicates among Kaggle's tumours that are not in Figshare."""
    known = read_manifest(figshare_manifest(figshare, work, fold=0))
    tumours = [one for one in scan(kaggle).records if one.label != "notumor"]
    groups = find_copies(prepared_slices([*known, *tumours], Preparation()).slices).groups.tolist()
    figshares = set(groups[: len(known)])
    first: dict[int, Record] = {}
    for group, record in zip(groups[len(known) :], tumours, strict=True):
        if group not in figshares:
            first.setdefault(group, record)
    return [replace(one, split="test", fold=None) for one in first.values()]


def rows_of(
    model: str, answers: Sequence[Prediction], records: Sequence[Record], listed: dict[str, dict[str, str]]
) -> list[list[str]]:
    """Return a row for each half and modality; ``listed`` are the rows of LOOKED_AT by file name."""
    rows = []
    for half in HALVES:
        for modality in sorted({row["modality"] for row in listed.values()}, reverse=True):
            group = {"half": half, "modality": modality}
            pairs = [
                pair
                for pair in zip(answers, records, strict=True)
                if group.items() <= listed[pair[1].path.name].items()
            ]  # fmt: skip
            rows.append([model, HALVES[half], modality, str(len(pairs)), *figures(pairs)])
    return rows


def figures(pairs: Sequence[tuple[Prediction, Record]]) -> list[str]:
    """Return the counts of predictions and records as cells."""
    count = right = among = healthy = named = named_right = sure = 0
    for answer, record in pairs:
        likely = answer.probabilities
        best = max(likely, key=likely.__getitem__)
        ok = best == record.label
        count += 1
        right += ok
        among += max((name for name in likely if name != "notumor"), key=likely.__getitem__) == record.label
        healthy += best == "notumor"
        named += not answer.abstained
        named_right += ok and not answer.abstained
        sure += not ok and not answer.abstained and likely[best] >= CONFIDENT
    shares = [share(part, count) for part in (right, among, healthy, count - named)]
    return [*shares, f"{named_right} of {named}", share(sure, count)]
