"""Training on several sources, with a held-out fold of Figshare and a held-out institution.

    python -m benchmarks run travel DATA --fold 3 --institution CS [--name idea] [--set KEY=VALUE ...]
        [--weights imagenet] [--seed 0] [--work FOLDER] [--write]

The manifest is that of ``many_sources``. The run folder in ``--work`` is called by name, fold, institution and seed; an
interrupted run is resumed. ``--write`` stores the logits of the held-out fold and institution in docs/predictions.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from benchmarks.answers import ANSWERS, answered, write_answers
from benchmarks.publish import predictions_path, print_progress
from gadolin.datasets.manifest import read_manifest
from gadolin.models.predictor import Predictor
from gadolin.models.run_folder import RunFolder
from gadolin.models.starting_point import StartingPoint
from gadolin.recipe import named_recipe, with_settings
from gadolin.training.machine import Machine
from gadolin.training.plan import Plan
from gadolin.training.train import train_model
from tools.release.many_sources import sources_manifest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--fold", type=int, default=4)
    parser.add_argument("--institution", default="", help="institution of TCGA-LGG to hold out")
    parser.add_argument("--without", nargs="*", default=[], help="sources to leave out")
    parser.add_argument("--recipe", default="multisource")
    parser.add_argument("--name", default="", help="name of the run; default: the recipe")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/travel"))
    parser.add_argument("--write", action="store_true", help="store the logits in docs/predictions")
    arguments = parser.parse_args()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    manifest, held_out = sources_manifest(
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
        train_model(plan, progress=print_progress)
    tested = [one for one in read_manifest(run.manifest, verify=False) if one.split == "test"]
    answers = answered(Predictor.load(run.path), [*tested, *held_out])
    write_answers(run.path / ANSWERS, answers)
    if arguments.write:
        write_answers(predictions_path(name), answers)
