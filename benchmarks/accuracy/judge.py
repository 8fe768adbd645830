"""Development scores of multi-source networks: held-out fold, held-out institution, and other images.

    python -m benchmarks run judge DATA RUN ... [--write]

For each run of ``travel``: the tumours of its fold with three and four classes, the institution that it left out (see
``institutions``), the half ``chosen`` of ``unknown_origin``, notumor slices that are CT or show another lesion, and the
half of DATA/other that sets the OOD threshold. No image of the final test is used.
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.accuracy.hospitals import counted
from benchmarks.accuracy.institutions import levels, rows_of_run
from benchmarks.accuracy.tables import four_and_three_classes
from benchmarks.accuracy.unknown_origin import LOOKED_AT
from benchmarks.answers import ANSWERS, probabilities_of, read_answers
from benchmarks.datasets import notumor_by_eye
from benchmarks.foreign import halves
from benchmarks.publish import markdown, publish, with_interval
from benchmarks.verdicts import CONFIDENT, OOD_CODES, predict_all
from gadolin.metrics import measure
from gadolin.metrics.table import read_table
from gadolin.models.bundle import read_bundle
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.readers import read
from gadolin.records import Prediction


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    tenths = levels(arguments.data)
    folds, institutions, sources, others = [], [], [], []
    for run in arguments.runs:
        name = run.name
        table = read_table(RunFolder(run).predictions)
        scores = [measure(part).as_json() for _, part in four_and_three_classes(table)]
        folds.append(
            [
                name,
                *(with_interval(one["accuracy"]) for one in scores),
                *(with_interval(one["ece"]) for one in scores[:1]),
            ]
        )
        institutions += rows_of_run(run, tenths)
        sources += [[name, *row] for row in by_source(run)]
        others += [[name, *row] for row in development_rows(Predictor.load(run), arguments)]
    lines = [*markdown(["network", "four classes", "tumours, four classes", "tumour classes only", "ECE"], folds), ""]
    head = ["network", "institution", "sequence", "tumour", "none", "patients", "AUROC", "level alone",
            "matched levels", "right", "wrong, sure"]  # fmt: skip
    lines += [*markdown(head, institutions), ""]
    head = ["network", "source", "sequence", "label", "n", "correct by p >= 0.5", "wrong with p >= 0.9"]
    lines += [*markdown(head, sources), ""]
    head = ["network", "pictures", "n", "stated", "right of stated", "class predicted", "correct of predicted",
            "tumour or none wrong, sure", "kind wrong, sure", "out of distribution", "sequences"]  # fmt: skip
    publish("judge", "Ideas, judged", [*lines, *markdown(head, others)], write=arguments.write)


def by_source(run: Path) -> list[list[str]]:
    """Return tumour detection on the web collections (Kaggle, Br35H) of the run's fold."""
    answers = read_answers(run / ANSWERS)
    answers = answers.only(np.isin(answers.of("source"), ("kaggle", "br35h")))
    tumour = 1 - probabilities_of(answers, read_bundle(run))[:, answers.classes.index("notumor")]
    keys = list(zip(*(answers.of(name).tolist() for name in ("source", "sequence", "label")), strict=True))
    rows = []
    for key in sorted(set(keys)):
        own = np.array([one == key for one in keys])
        right = (tumour[own] >= 0.5) == answers.tumour[own]
        sure = np.where(answers.tumour[own], 1 - tumour[own], tumour[own]) >= CONFIDENT
        rows.append([*key, str(int(own.sum())), part(int(right.sum()), len(right)), part(int(sure.sum()), len(sure))])
    return rows


def development_rows(predictor: Predictor, arguments: argparse.Namespace) -> list[list[str]]:
    """Return a row for each set of images that may select between networks."""
    rows = []
    with LOOKED_AT.open(newline="", encoding="utf-8") as file:
        listed = {row["name"]: row for row in csv.DictReader(file) if row["half"] == "chosen"}
    seen = {row["picture"]: row["seen"] for row in notumor_by_eye()}
    kaggle = arguments.data / "kaggle"
    for modality in sorted({row["modality"] for row in listed.values()}):
        names = {name for name, row in listed.items() if row["modality"] == modality}
        paths = sorted(path for path in kaggle.rglob("*.jpg") if path.name in names)
        rows.append(
            row_of(
                f"unknown origin, {modality}", predict_all(predictor, map(read, paths)), [p.parent.name for p in paths]
            )
        )
    for kind in sorted(set(seen.values())):
        paths = [kaggle / name for name, one in seen.items() if one == kind]
        rows.append(row_of(f"notumor, {kind}", predict_all(predictor, map(read, paths)), ["notumor"] * len(paths)))
    first = halves(arguments.data / "other")[0]
    for folder in sorted({path.parent.name for path in first}):
        paths = [path for path in first if path.parent.name == folder]
        rows.append(row_of(f"other, {folder}", predict_all(predictor, map(read, paths)), [""] * len(paths)))
    return rows


def row_of(name: str, answers: Sequence[Prediction], labels: Sequence[str]) -> list[str]:
    """Return the shares of one set of images; the label "" matches no class."""
    some = counted(answers, labels)
    stated, named = int(some.stated.sum()), int(some.named.sum())
    kind_sure = sum(
        one.reason_code not in OOD_CODES
        and any(p >= CONFIDENT and kind not in ("notumor", label) for kind, p in one.probabilities.items())
        for one, label in zip(answers, labels, strict=True)
    )
    sequences = Counter(one.sequence or "?" for one in answers)
    count = len(answers)
    listed = ", ".join(f"{key} {value}" for key, value in sequences.most_common())
    return [
        name, str(count), part(stated, count), part(int(some.right.sum()), stated),
        part(named, count), part(int(some.named_right.sum()), named),
        part(int(some.sure.sum()), count), part(kind_sure, count), part(int(some.unlike.sum()), count), listed,
    ]  # fmt: skip


def part(some: int, whole: int) -> str:
    """Return a share in percent, "-" of nothing."""
    return f"{100 * some / whole:.0f} %" if whole else "-"
