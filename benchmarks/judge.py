"""What a network of several sources is worth where ideas are judged: its fold, its institution, and other pictures.

    python benchmarks/judge.py DATA RUN ... [--write]

For each run of ``travel.py``: the tumours of its fold among three answers and among four, the institution that was left
out (see ``institutions.py``), the half of ``elsewhere.py`` that may choose between networks, pictures of notumor that
are CT or show another lesion, and the half of OTHER that sets the gate. No picture that judges what ships is read.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from answers import probabilities_of, read_answers
from crossval import ways
from elsewhere import LOOKED_AT
from gadolin.metrics import measure
from gadolin.metrics.table import read_table
from gadolin.models.bundle import read_bundle
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.readers import read
from gadolin.records import Prediction
from hospitals import counted
from institutions import levels, rows_of_run
from many_sources import seen_in_notumor
from publish import markdown, publish, shown
from ship import halves
from shipped import SURE, UNLIKE, verdicts
from travel import ANSWERS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    tenths = levels(arguments.data)
    folds, institutions, sources, others = [], [], [], []
    for run in arguments.runs:
        name = run.name
        table = read_table(RunFolder(run).predictions)
        scores = [measure(part).as_json() for _, part in ways(table)]
        folds.append([name, *(shown(one["accuracy"]) for one in scores), *(shown(one["ece"]) for one in scores[:1])])
        institutions += rows_of_run(run, tenths)
        sources += [[name, *row] for row in by_source(run)]
        others += [[name, *row] for row in asked(Predictor.load(run), arguments)]
    lines = [*markdown(["network", "four classes", "tumours, four answers", "three answers", "ECE"], folds), ""]
    head = ["network", "institution", "sequence", "tumour", "none", "patients", "AUROC", "level alone", "like levels",
            "right", "wrong, sure"]  # fmt: skip
    lines += [*markdown(head, institutions), ""]
    head = ["network", "source", "sequence", "label", "n", "right by p >= 0.5", "wrong with p >= 0.9"]
    lines += [*markdown(head, sources), ""]
    head = ["network", "pictures", "n", "stated", "right of stated", "class named", "right of named",
            "tumour or none wrong, sure", "kind wrong, sure", "declined as unlike", "sequences"]  # fmt: skip
    publish("judge", "Ideas, judged", [*lines, *markdown(head, others)], write=arguments.write)


def by_source(run: Path) -> list[list[str]]:
    """Return how often tumour or none is right on the pictures of the run's fold that no one scanner made."""
    answers = read_answers(run / ANSWERS)
    answers = answers.only(np.isin(answers.of("source"), ("kaggle", "br35h")))
    tumour = 1 - probabilities_of(answers, read_bundle(run))[:, answers.classes.index("notumor")]
    keys = list(zip(*(answers.of(name).tolist() for name in ("source", "sequence", "label")), strict=True))
    rows = []
    for key in sorted(set(keys)):
        own = np.array([one == key for one in keys])
        right = (tumour[own] >= 0.5) == answers.tumour[own]
        sure = np.where(answers.tumour[own], 1 - tumour[own], tumour[own]) >= SURE
        rows.append([*key, str(int(own.sum())), part(int(right.sum()), len(right)), part(int(sure.sum()), len(sure))])
    return rows


def asked(predictor: Predictor, arguments: argparse.Namespace) -> list[list[str]]:
    """Return a row for each set of pictures that may choose between networks."""
    rows = []
    with LOOKED_AT.open(newline="", encoding="utf-8") as file:
        told = {row["name"]: row for row in csv.DictReader(file) if row["half"] == "chosen"}
    seen = {row["picture"]: row["seen"] for row in seen_in_notumor()}
    kaggle = arguments.data / "kaggle"
    for modality in sorted({row["modality"] for row in told.values()}):
        names = {name for name, row in told.items() if row["modality"] == modality}
        paths = sorted(path for path in kaggle.rglob("*.jpg") if path.name in names)
        rows.append(
            row_of(f"elsewhere, {modality}", verdicts(predictor, map(read, paths)), [p.parent.name for p in paths])
        )
    for kind in sorted(set(seen.values())):
        paths = [kaggle / name for name, one in seen.items() if one == kind]
        rows.append(row_of(f"notumor, {kind}", verdicts(predictor, map(read, paths)), ["notumor"] * len(paths)))
    first = halves(arguments.data / "other")[0]
    for folder in sorted({path.parent.name for path in first}):
        paths = [path for path in first if path.parent.name == folder]
        rows.append(row_of(f"other, {folder}", verdicts(predictor, map(read, paths)), [""] * len(paths)))
    return rows


def row_of(name: str, answers: Sequence[Prediction], labels: Sequence[str]) -> list[str]:
    """Return the shares of one set of pictures; a label of "" is none that an answer could be."""
    some = counted(answers, labels)
    stated, named = int(some.stated.sum()), int(some.named.sum())
    kind_sure = sum(
        one.reason_code not in UNLIKE
        and any(p >= SURE and kind not in ("notumor", label) for kind, p in one.probabilities.items())
        for one, label in zip(answers, labels, strict=True)
    )
    sequences = Counter(one.sequence or "?" for one in answers)
    count = len(answers)
    told = ", ".join(f"{key} {value}" for key, value in sequences.most_common())
    return [
        name, str(count), part(stated, count), part(int(some.right.sum()), stated),
        part(named, count), part(int(some.named_right.sum()), named),
        part(int(some.sure.sum()), count), part(kind_sure, count), part(int(some.unlike.sum()), count), told,
    ]  # fmt: skip


def part(some: int, whole: int) -> str:
    """Return a share in percent."""
    return f"{100 * some / whole:.0f} %" if whole else "-"


if __name__ == "__main__":
    main()
