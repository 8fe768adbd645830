"""What models say of tumour pictures that do not come from the collection that they learned from.

    python benchmarks/elsewhere.py FIGSHARE KAGGLE [--br35h FOLDER] [--models RUN ...] [--work FOLDER] [--write]

Some tumour pictures of the Kaggle set are no copies of Figshare slices. Where they come from is not known: from many
scanners, in several sequences, some of CT, nearly all of them of meningiomas. The first of each group of copies is
taken. docs/tables/elsewhere.csv holds what was told by eye, by no radiologist: the modality, and which pictures seem to
show one case. One half may choose between networks; no case of the other, ``kept``, is among them. The model that comes
with the package is asked first, then those of ``--models``, which are refused where they learned from one of these.
``--br35h`` leaves out every case of which a picture stands in Br35H too, for models that learned from its tumours.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from figshare_fold import figshare_manifest
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
from gadolin.training.weights import require_unseen
from publish import ROOT, markdown, publish, share
from shipped import SURE, verdicts

LOOKED_AT = ROOT / "docs" / "tables" / "elsewhere.csv"
HALVES = ("kept", "chosen")
HEAD = ["model", "half", "pictures", "n", "right", "right among three", "called notumor", "declined"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("--br35h", type=Path, help="the folder of Br35H's tumours and their slices.csv")
    parser.add_argument("--models", type=Path, nargs="*", default=[], help="runs and bundles to compare with")
    parser.add_argument("--work", type=Path, default=Path("runs/elsewhere"))
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md and the card")
    arguments = parser.parse_args()
    manifest = arguments.work / "elsewhere.csv"
    if not manifest.is_file():
        write_manifest(manifest, elsewhere(arguments.figshare, arguments.kaggle, arguments.work))
    asked = read_manifest(manifest, verify=False)
    with LOOKED_AT.open(newline="", encoding="utf-8") as file:
        told = {row["name"]: row for row in csv.DictReader(file)}
    if arguments.br35h:
        cases = {told[name]["case"] for name in in_br35h(arguments.br35h) & told.keys()}
        told = {name: row for name, row in told.items() if row["case"] not in cases}
        asked = [one for one in asked if one.path.name in told]
    rows = []
    for model in (SHIPPED, *arguments.models):
        require_unseen(StartingPoint.resolve(str(model)), asked)
        name = "the model of the package" if model == SHIPPED else f"{model.parent.name}, {model.name}"
        answers = verdicts(Predictor.load(model), (read(one.path) for one in asked))
        rows += rows_of(name, answers, asked, told)
    head = [*HEAD, "named, of these right", f"wrong with p ≥ {SURE} and named"]
    counts = {label: sum(one.label == label for one in asked) for label in sorted({one.label for one in asked})}
    note = (
        f"{', '.join(f'{label} {count}' for label, count in counts.items())}, of about "
        f"{len({row['case'] for row in told.values()})} cases; right: the most probable of four, named or not. The "
        "intervals take pictures for independent."
    )
    publish("elsewhere", "Tumours from elsewhere", [*markdown(head, rows), "", note], write=arguments.write)


def in_br35h(folder: Path) -> set[str]:
    """Return the names of the Kaggle pictures that Br35H holds too."""
    with (folder / "slices.csv").open(newline="", encoding="utf-8") as file:
        return {Path(row["kaggle_match"]).name for row in csv.DictReader(file) if row["kaggle_match"]}


def elsewhere(figshare: Path, kaggle: Path, work: Path) -> list[Record]:
    """Return the first of each group of copies of the Kaggle set's tumours that show no Figshare slice."""
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
    model: str, answers: Sequence[Prediction], asked: Sequence[Record], told: dict[str, dict[str, str]]
) -> list[list[str]]:
    """Return a row for each half and modality."""
    rows = []
    for half in HALVES:
        for modality in sorted({row["modality"] for row in told.values()}, reverse=True):
            wanted = {"half": half, "modality": modality}
            pairs = [
                pair
                for pair in zip(answers, asked, strict=True)
                if wanted.items() <= told[pair[1].path.name].items()
            ]  # fmt: skip
            rows.append([model, half, modality, str(len(pairs)), *figures(pairs)])
    return rows


def figures(pairs: Sequence[tuple[Prediction, Record]]) -> list[str]:
    """Return the cells of one row."""
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
        sure += not ok and not answer.abstained and likely[best] >= SURE
    shares = [share(part, count) for part in (right, among, healthy, count - named)]
    return [*shares, f"{named_right} of {named}", share(sure, count)]


if __name__ == "__main__":
    main()
