"""Train the network that the package ships, from the folders of the collections.

    python benchmarks/ship.py FIGSHARE KAGGLE OTHER [--seed 0] [--work FOLDER] [--first RUN] [--second RUN] [--put]
        [--write]

Figshare's folds 0 to 3 and, of the same folds, one notumor picture of each group of copies of the Kaggle set are
learned from: first by the recipe ``robust``, then on by ``hardened``. A validation part of them fits temperature and
thresholds. Fold 4 is the test part: it chooses nothing. OTHER holds folders of pictures that show no head; every second
one of each sets the gate. Run again after an interruption, it goes on. The cross-validations' runs of fold 4 learn
from the same slices: ``--first`` takes that by ``robust`` and ``--second`` that by ``hardened``, which went on from it,
in place of training again. ``--put`` copies the bundle into the package, where gadolin/lineage.py is to name what its
weights learned from; ``--write`` puts what is told of it into docs/results.md and the card.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from crossval import four_class_manifest
from gadolin.bundle import SHIPPED, Bundle, read_bundle, write_bundle
from gadolin.explanations.trust import SCORES_FILE
from gadolin.manifest import read_manifest, write_manifest
from gadolin.network.restore import restored
from gadolin.prepare import prepare
from gadolin.readers import read
from gadolin.recipe import Recipe, named_recipe
from gadolin.records import Record
from gadolin.run_folder import RunFolder
from gadolin.starting_point import StartingPoint
from gadolin.training import augment
from gadolin.training.bundling import make_bundle
from gadolin.training.machine import Machine
from gadolin.training.parts import Parts, divide
from gadolin.training.plan import Plan
from gadolin.training.run import train_model
from precisions import chosen, precisions, table
from publish import markdown, publish, say

LICENCE = (
    "Apache-2.0. Learned from slices of Cheng et al., figshare 1512427 (CC BY 4.0), and of the Kaggle set "
    "masoudnickparvar/brain-tumor-mri-dataset (CC0)"
)
KEPT_FOLD = 4
VIEWS = 8  # of each picture that shows no head


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figshare", type=Path)
    parser.add_argument("kaggle", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work", type=Path, default=Path("runs/ship"))
    parser.add_argument("--first", type=Path, help="a finished run of crossval.py for fold 4, to go on from")
    parser.add_argument("--second", type=Path, help="the run of crossval.py for fold 4 that went on from it")
    parser.add_argument("--put", action="store_true", help="copy the bundle into the package")
    parser.add_argument("--write", action="store_true", help="put the gates of precision into docs/results.md")
    arguments = parser.parse_args()
    machine = Machine(seed=arguments.seed)
    runs = {name: arguments.work / f"{name}-seed{machine.seed}" for name in ("robust", "hardened")}
    first = arguments.first or learned(shipped_manifest(arguments), "robust", runs["robust"], machine)
    require_unread(first)
    run = arguments.second or learned(first / "manifest.csv", "hardened", runs["hardened"], machine, str(first))
    require_gone_on(run, first)
    recipe = named_recipe("hardened")
    parts = divide(Plan(first / "manifest.csv", run, recipe, resume=True), say)
    whole = gated(run, parts, recipe, halves(arguments.other)[0], arguments.work / "gated")
    seen, held_out = (each.slices[each.rows] for each in (parts.train, parts.validation))
    candidates = precisions(whole, seen, held_out, parts.validation.targets, arguments.work / "precisions")
    small, lines = chosen(candidates, len(held_out)).bundle, table(candidates, len(held_out))
    publish("shipped-facts", "The shipped model", facts_of(small, first, run), write=arguments.write)
    publish("ship-precision", "Precisions of the shipped bundle", lines, write=arguments.write)
    if arguments.put:
        (SHIPPED / SCORES_FILE).unlink(missing_ok=True)  # of the model before
        shutil.copytree(small.folder, SHIPPED, dirs_exist_ok=True)


def shipped_manifest(arguments: argparse.Namespace) -> Path:
    """Return the manifest of all slices with fold 4 as the test part, made where it is not there yet."""
    manifest, folds = arguments.work / "shipped.csv", arguments.work / "manifest.csv"
    if not manifest.is_file():
        if not folds.is_file():
            four_class_manifest(arguments.figshare, arguments.kaggle, arguments.work)
        write_manifest(manifest, [parted(record) for record in read_manifest(folds)])
    return manifest


def learned(data: Path, name: str, run: Path, machine: Machine, weights: str = "none") -> Path:
    """Return the folder of a finished run by a recipe, trained or gone on with where it is not finished yet."""
    folder = RunFolder(run)
    if not folder.is_finished:
        start = StartingPoint.resolve(weights)
        train_model(Plan(data, run, named_recipe(name), start, machine, resume=folder.exists), progress=say)
    return run


def require_unread(run: Path) -> None:
    """Refuse a run to go on from that is not finished, started from weights, or does not hold out fold 4 alone."""
    known = RunFolder(run).read()
    wrong = [
        one.name for one in read_manifest(run / "manifest.csv") if (one.fold == KEPT_FOLD) != (one.split == "test")
    ]
    if not known.finished or known.weights != "none" or wrong:
        msg = f"{run} must be a finished run from scratch that holds out fold {KEPT_FOLD} alone; name another"
        raise SystemExit(msg)


def require_gone_on(run: Path, first: Path) -> None:
    """Refuse a run that is not finished, or did not go on by ``hardened`` from the first with its parts."""
    before, known = (RunFolder(each).read() for each in (first, run))
    wanted = {
        "finished": True,
        "recipe_name": "hardened",
        "epochs": named_recipe("hardened").epochs,
        "seed": before.seed,
        "manifest_digest": before.manifest_digest,
        "weights_digest": StartingPoint.resolve(str(first)).digest,
    }
    wrong = [key for key, value in wanted.items() if getattr(known, key) != value]
    if wrong:
        msg = f"{run} must be a finished run that went on from {first}, {', '.join(wrong)} differ; name another"
        raise SystemExit(msg)


def parted(record: Record) -> Record:
    """Return the record in its part."""
    return replace(record, split="test" if record.fold == KEPT_FOLD else "train")


def facts_of(bundle: Bundle, first: Path, run: Path) -> list[str]:
    """Return what the bundle and the run folders tell of where the model comes from."""
    before, known = (RunFolder(each).read() for each in (first, run))
    minutes = [f"{(each.training_seconds or 0) / 60:.0f}" for each in (before, known)]
    rows = [
        ["digest", bundle.digest],
        ["classes", ", ".join(bundle.classes)],
        ["licence", bundle.licence],
        ["recipes", f"{before.recipe_name}, then {known.recipe_name}; seed {known.seed}, from scratch"],
        ["epochs", f"{before.epochs}, then {known.epochs}"],
        ["minutes of training", f"{' and '.join(minutes)} ({known.precision}, {known.threads} threads)"],
        ["patients known", str(known.patients)],
        *(
            [f"slices of the {part} part", ", ".join(f"{label} {count}" for label, count in counts.items())]
            for part, counts in known.counts.items()
        ),
        ["digest of the manifest", known.manifest_digest[:16]],
        ["temperature", f"{bundle.temperature:.3f}"],
        ["names nothing below a probability of", f"{bundle.confidence_threshold:.3f}"],
        ["names nothing above a strangeness of", f"{bundle.ood_threshold:.3f}"],
        ["declines pictures of several slices by", bundle.head_counter],
    ]
    return markdown(["what", "of this model"], rows)


def halves(other: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures that set the gate and those that test it: every second one of each folder of OTHER."""
    folders = [sorted(each for each in folder.iterdir() if each.is_file()) for folder in sorted(other.iterdir())]
    first, second = ([path for paths in folders for path in paths[start::2]] for start in (0, 1))
    return first, second


def gated(run: Path, parts: Parts, recipe: Recipe, others: list[Path], folder: Path) -> Bundle:
    """Write a run's bundle anew, with a gate that was shown pictures of other things, and with its thresholds."""
    facts = RunFolder(run).read()
    network = restored(read_bundle(run))
    foreign = np.stack([prepare(read(path), recipe.preparation) for path in others])
    foreign = np.concatenate([foreign, foreign[:, :, ::-1], foreign[:, ::-1], *views(foreign)])
    recipe = replace(recipe, network=Recipe.from_run(run).network)
    bundle = replace(make_bundle(network, recipe, parts, facts, folder, foreign=foreign), licence=LICENCE)
    write_bundle(bundle)
    return bundle


def views(prepared: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Return prepared pictures (N, H, H) as the recipe's augmentation changes them, several times over."""
    scaled = torch.from_numpy(prepared).float().unsqueeze(1) / 255
    made = []
    for seed in range(VIEWS):
        drawn = augment.draw(len(scaled), named_recipe("hardened").augmentation, torch.Generator().manual_seed(seed))
        made.append((255 * augment.apply(scaled, drawn)).round().to(torch.uint8).squeeze(1).numpy())
    return made


if __name__ == "__main__":
    main()
