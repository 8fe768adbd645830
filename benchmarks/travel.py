"""Train one network on several sources, for a fold of Figshare and an institution that it does not see.

    python benchmarks/travel.py DATA --fold 3 --institution CS [--name idea] [--set KEY=VALUE ...] [--weights imagenet]
        [--seed 0] [--work FOLDER] [--write]

The manifest is that of ``many_sources.py``. The run is kept in ``--work`` under name, fold, institution and seed, and
goes on where it was interrupted. With ``--write`` the answers for the fold, and for the institution that was left out,
are kept in docs/predictions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from answers import answered, write_answers
from gadolin.datasets.manifest import read_manifest
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.run import train_model
from many_sources import sources_manifest
from publish import kept_at, say

ANSWERS = "answers.csv.gz"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--fold", type=int, default=4)
    parser.add_argument("--institution", default="", help="of TCGA-LGG, to leave out")
    parser.add_argument("--without", nargs="*", default=[], help="sources to leave out")
    parser.add_argument("--recipe", default="multisource")
    parser.add_argument("--name", default="", help="what the run is called, by default as the recipe")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/travel"))
    parser.add_argument("--write", action="store_true", help="keep the answers in docs/predictions")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    manifest, beside = sources_manifest(
        arguments.data,
        arguments.work,
        fold=arguments.fold,
        institution=arguments.institution,
        without=arguments.without,
    )
    name = f"{arguments.name or arguments.recipe}-seed{arguments.seed}-{manifest.stem.removeprefix('sources-')}"
    run = RunFolder(arguments.work / name)
    if not run.is_finished:
        plan = Plan(
            data=manifest,
            out=run.path,
            recipe=with_settings(named_recipe(arguments.recipe), arguments.settings),
            weights=StartingPoint.resolve(arguments.weights),
            machine=Machine(seed=arguments.seed),
            resume=run.exists,
        )
        train_model(plan, progress=say)
    tested = [one for one in read_manifest(run.manifest, verify=False) if one.split == "test"]
    answers = answered(Predictor.load(run.path), [*tested, *beside])
    write_answers(run.path / ANSWERS, answers)
    if arguments.write:
        write_answers(kept_at(name), answers)


if __name__ == "__main__":
    main()
