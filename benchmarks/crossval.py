"""Accuracy over person-grouped folds: Figshare's slices, with notumor pictures of the Kaggle set as fourth class.

    python benchmarks/crossval.py FIGSHARE KAGGLE [--recipe default] [--seed 0] [--folds 0 1 2 3 4] [--write]

FIGSHARE holds ``images/N.jpg`` and ``annotations.csv`` (number,label,patient,person,fold,border): its folds are kept,
no person stands in two. Of the notumor pictures, of Training and Testing alike, the first of each group of copies is
taken, and whatever is joined by copies stands in one fold. One network learns four classes from four folds and
answers for the fifth, five times over; all answers are pooled. The 3-class figures are those of the same networks on
the tumour slices, once with notumor as a possible answer and once choosing among the three tumour classes alone.
``--folds`` trains for some folds for now. With ``--write`` the answers of each are kept in docs/predictions, and the
figures are put into docs/results.md once the answers of all five stand there.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from figshare_fold import figshare_manifest
from gadolin.datasets import scan
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.duplicates import find_copies
from gadolin.metrics import Measurement, measure
from gadolin.metrics.table import Table, read_table
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.preprocessing.cache import prepared_slices
from gadolin.preprocessing.prepare import Preparation
from gadolin.recipe import named_recipe, with_settings
from gadolin.records import NO_LESION, Record
from gadolin.reports.figures import reliability_diagram, risk_coverage_curve
from gadolin.splits import assign_folds, join_copies
from gadolin.training.crossval import cross_validate, joined_tables
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from publish import keep, kept_at, markdown, percent, publish, say, shown

FOLDS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("--recipe", default="default")
    parser.add_argument(
        "--weights", default="none", help="none, imagenet, a file or run, or a finished cross-validation"
    )
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folds", type=int, nargs="+", default=range(FOLDS), help="to train for now")
    parser.add_argument("--work", type=Path, default=Path("runs/crossval"))
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    manifest = arguments.work / "manifest.csv"
    if not manifest.is_file():
        four_class_manifest(arguments.figshare, arguments.kaggle, arguments.work)
    out = arguments.work / f"{arguments.recipe}-seed{arguments.seed}"
    plan = Plan(
        data=manifest,
        out=out,
        recipe=with_settings(named_recipe(arguments.recipe), arguments.settings),
        weights=StartingPoint.resolve(arguments.weights),
        machine=Machine(seed=arguments.seed),
        resume=out.is_dir(),
    )
    cross_validate(plan, only=arguments.folds, progress=say)
    name = f"crossval-{arguments.recipe}-seed{arguments.seed}"
    answers = {fold: answered(out / f"fold-{fold}", f"{name}-fold{fold}", arguments) for fold in range(FOLDS)}
    left = [fold for fold, found in answers.items() if found is None]
    if left:
        msg = f"folds {', '.join(map(str, left))} are left: train for them with --folds"
        raise SystemExit(msg)
    folds = [found for found in answers.values() if found is not None]
    title = f"Five person-grouped folds, recipe {arguments.recipe}, seed {arguments.seed}"
    start = "" if arguments.weights == "none" else f", which went on from {Path(arguments.weights).name}"
    lines = [*rows(folds), "", f"Out-of-fold answers of five networks, one for each fold{start}."]
    if arguments.seed:  # the pictures of one seed are enough to look at
        publish(name, title, lines, write=arguments.write)
    else:
        publish(f"crossval-{arguments.recipe}", title, lines, write=arguments.write, pictures=drawn(folds))


def answered(run: Path, name: str, arguments: argparse.Namespace) -> Table | None:
    """Return the answers of a fold, of a finished run or as they were kept; None where there is neither."""
    folder = RunFolder(run)
    if folder.is_finished:
        table = read_table(folder.predictions)
        if arguments.write:
            keep(name, table)
        return table
    kept = kept_at(name)
    return read_table(kept) if kept.is_file() else None


def four_class_manifest(figshare: Path, kaggle: Path, work: Path) -> None:
    """Write Figshare's records with their folds, and one notumor picture of each group of copies, dealt into them."""
    tumours = [replace(one, split="") for one in read_manifest(figshare_manifest(figshare, work, fold=0))]
    without = [replace(one, split="", source="kaggle") for one in scan(kaggle).records if one.label == "notumor"]
    slices = prepared_slices([*tumours, *without], Preparation()).slices
    copies = find_copies(slices)
    first = np.unique(copies.groups, return_index=True)[1].tolist()
    joined = join_copies([*tumours, *without], copies.joined)
    kept = [joined[row] for row in sorted({*range(len(tumours)), *first})]
    folded = [known(record) for record in assign_folds(kept, FOLDS, seed=0)]
    write_manifest(work / "manifest.csv", folded)


def known(record: Record) -> Record:
    """Return the record; a slice of notumor is known to show no lesion."""
    return replace(record, outline=NO_LESION) if record.label == "notumor" else record


def drawn(folds: Sequence[Table]) -> dict[str, bytes]:
    """Return the pictures of what confidence is worth, PNG, by what they show."""
    table = joined_tables(folds)
    return {"Reliability": reliability_diagram(table), "Risk and coverage": risk_coverage_curve(table)}


def rows(folds: Sequence[Table]) -> list[str]:
    """Return what the answers of the folds are worth in Markdown: figures, sureness, and what was taken for what."""
    measured = {name: measure(part) for name, part in ways(joined_tables(folds))}
    cells, sure = [], []
    for name, found in measured.items():
        scores = found.as_json()
        figures = [shown(scores[key]) for key in ("accuracy", "balanced_accuracy", "macro_f1")]
        cells.append([name, f"{scores['n']} in {scores['groups']} groups", *figures])
        ece, coverage = (percent(scores[key]["value"]) for key in ("ece", "coverage"))
        sure.append([name, ece, shown(scores["selective_accuracy"]), coverage])
    head = ["what", "n", "accuracy (95 %)", "balanced accuracy", "macro F1"]
    surely = ["what", "ECE (15 bins)", "accuracy of the surest 90 %", "coverage at 99 % accuracy"]
    whole = measured["four classes"]
    return [*markdown(head, cells), "", *markdown(surely, sure), "", one_by_one(folds), "", *confused(whole)]


def one_by_one(folds: Sequence[Table]) -> str:
    """Return how sure the network of each fold is alone, of which the pooled answers say too little and too much."""
    scores = [measure(each, resamples=0).as_json() for each in folds]
    ece, coverage = ([100 * each[key]["value"] for each in scores] for key in ("ece", "coverage"))
    return (
        f"Each fold alone, four classes: ECE {min(ece):.1f} to {max(ece):.1f} %, coverage at 99 % accuracy "
        f"{min(coverage):.1f} to {max(coverage):.1f} %. Pooled, networks that are too sure and not sure enough make up "
        "for one another."
    )


def confused(measured: Measurement) -> list[str]:
    """Return a table of what was taken for what."""
    scores = measured.overall
    cells = [
        [name, *map(str, row), shown(one.figures["recall"].as_json())]
        for (name, one), row in zip(scores.per_class.items(), scores.confusion, strict=True)
    ]
    return markdown(["shows", *(f"named {name}" for name in scores.per_class), "recall (95 %)"], cells)


def ways(table: Table) -> tuple[tuple[str, Table], ...]:
    """Return the table, and that of its tumours, once among four answers and once choosing among three."""
    tumour = table.only(np.array([table.classes[truth] != "notumor" for truth in table.truth]))
    columns = [column for column, name in enumerate(table.classes) if name != "notumor"]
    among = tumour.probabilities[:, columns]
    three = replace(
        tumour,
        classes=tuple(table.classes[column] for column in columns),
        probabilities=among / among.sum(axis=1, keepdims=True),
        truth=np.searchsorted(columns, tumour.truth),
    )
    return (
        ("four classes", table),
        ("tumour slices, four answers", tumour),
        ("tumour slices, three answers", three),
    )


if __name__ == "__main__":
    main()
