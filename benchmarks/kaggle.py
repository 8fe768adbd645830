"""Accuracy on the Testing folder of the Kaggle set, beside that on the Testing pictures that are not in Training.

    python benchmarks/kaggle.py KAGGLE [--work FOLDER] [--seed 0] [--write]

KAGGLE holds ``Training`` and ``Testing``. Trains the recipe ``default`` from scratch unless the run is already there.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

from gadolin.evaluate import read_table
from gadolin.train.machine import Machine
from gadolin.train.plan import Plan
from gadolin.train.recipe import with_settings
from gadolin.train.recipes import named_recipe
from gadolin.train.run import train_model
from publish import markdown, publish, say, shown

FIGURES = ("accuracy", "balanced_accuracy", "macro_f1")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("--recipe", default="default")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/kaggle"))
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    out = arguments.work / f"{arguments.recipe}-seed{arguments.seed}"
    if not (out / "evaluation" / "metrics.json").is_file():
        recipe = with_settings(named_recipe(arguments.recipe), arguments.settings)
        resume = (out / "run.json").is_file()
        train_model(
            Plan(arguments.kaggle, out, recipe, machine=Machine(seed=arguments.seed), resume=resume), progress=say
        )
    metrics = json.loads((out / "evaluation" / "metrics.json").read_text())
    run = json.loads((out / "run.json").read_text())
    title = f"Kaggle Testing, recipe {arguments.recipe}, from scratch"
    publish("kaggle", title, table(out, metrics, run), write=arguments.write)


def table(out: Path, metrics: dict[str, Any], run: dict[str, Any]) -> list[str]:
    predictions = read_table(out / "evaluation" / "predictions.csv")
    rows = []
    for name in ("all", "copied", "slice-new", "patient-new"):
        part = metrics["parts"][name]
        if not part.get("scored", True):
            rows.append([name, str(part["n"]), part["reason"], "", ""])
            continue
        chosen = range(len(predictions)) if name == "all" else [i for i, p in enumerate(predictions.parts) if p == name]
        counts = Counter(predictions.classes[predictions.truth[i]] for i in chosen)
        split = ", ".join(f"{label} {counts[label]}" for label in predictions.classes)
        rows.append([name, f"{part['n']} ({split})", *(shown(part[key]) for key in FIGURES)])
    head = ["part of Testing", "n", "accuracy (95 %)", "balanced accuracy", "macro F1"]
    seconds = sum(float(line.rsplit(",", 1)[1]) for line in (out / "history.csv").read_text().splitlines()[1:])
    return [
        *markdown(head, rows),
        "",
        "“copied”: the slice, identical or mirrored, is in Training too; “slice-new”: it is not, though another slice "
        "of the same patient may be. Intervals resample groups of copies.",
        "",
        f"{run['epochs']} epochs took {seconds / 60:.1f} minutes of training ({run['precision']}, {run['threads']} "
        f"threads), validation included; epoch {run['chosen_epoch']} was chosen on the validation part.",
    ]


if __name__ == "__main__":
    main()
