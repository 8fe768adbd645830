"""Make a bundle to ship from a network of several sources, with what it decides by fitted out of fold.

    python benchmarks/ship.py DATA --run RUN --folds RUN ... [--work FOLDER] [--put] [--write]

RUN is a finished run of ``travel.py`` that left out nothing but fold 4. ``--folds`` are runs by the same recipe for
folds 0 to 3, which left out an institution each: their answers for what they did not see fit temperature, tumour scale
and thresholds, and list what was validated; slices made by code fit nothing. Every second picture of each folder of
DATA/other, and what is CT in notumor, sets the gate. ``--put`` copies the bundle into the package; ``--write`` puts
what is told of it into docs/results.md and the card.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from answers import Answers, joined_answers, read_answers, recognised_of
from gadolin.datasets.manifest import read_manifest
from gadolin.explanations.trust import SCORES_FILE
from gadolin.models.bundle import SHIPPED, Bundle, read_bundle, write_bundle
from gadolin.models.run_folder import RunFolder
from gadolin.networks.restore import restored
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read
from gadolin.recipe import Recipe, named_recipe
from gadolin.training.augmentation import transforms
from gadolin.training.bundling import make_bundle
from gadolin.training.calibrate import calibrated, validations
from gadolin.training.data import divide
from gadolin.training.plan import Plan
from many_sources import seen_in_notumor
from precisions import chosen, precisions, table
from publish import markdown, publish, say
from travel import ANSWERS

VIEWS = 8  # of each picture that shows no head, as augmentation changes it
LICENCE = (
    "CC BY-NC-SA 4.0. Learned from slices of Cheng et al., figshare 1512427 (CC BY 4.0), of the Kaggle set "
    "masoudnickparvar/brain-tumor-mri-dataset (CC0), of TCGA-LGG (TCIA, CC BY 3.0) with masks of Buda et al. "
    "(CC BY-NC-SA 4.0), Br35H (no licence stated). Started from ImageNet weights of efficientnet-lite0 (Apache-2.0)"
)
KEPT_FOLD = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--folds", type=Path, nargs="+", required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/ship"))
    parser.add_argument("--put", action="store_true", help="copy the bundle into the package")
    parser.add_argument("--write", action="store_true", help="put what is told of it into docs/results.md")
    arguments = parser.parse_args()
    require_alike(arguments.run, arguments.folds)
    recipe = Recipe.from_run(arguments.run)
    parts = divide(Plan(arguments.run / "manifest.csv", arguments.run, recipe, resume=True), say)
    shown = outliers(arguments.data, recipe.preparation)
    network = restored(read_bundle(arguments.run))
    facts = RunFolder(arguments.run).read()
    whole = make_bundle(network, recipe, parts, facts, arguments.work / "gated", foreign=shown)
    answers = joined_answers([read_answers(run / ANSWERS) for run in arguments.folds])
    whole = decided(replace(whole, licence=LICENCE), answers)
    write_bundle(whole)
    seen, held_out = (each.slices[each.rows] for each in (parts.train, parts.validation))
    candidates = precisions(whole, seen, held_out, parts.validation.targets, arguments.work / "precisions")
    small = chosen(candidates, len(held_out)).bundle
    publish(
        "ship-precision", "Precisions of the shipped bundle", table(candidates, len(held_out)), write=arguments.write
    )
    publish("shipped-facts", "The shipped model", facts_of(small, arguments.run), write=arguments.write)
    publish("shipped-validated", "What the shipped model was validated on", validated(small), write=arguments.write)
    if arguments.put:
        (SHIPPED / SCORES_FILE).unlink(missing_ok=True)  # of the model before
        shutil.copytree(small.folder, SHIPPED, dirs_exist_ok=True)


def require_alike(run: Path, folds: Sequence[Path]) -> None:
    """Refuse runs that are not finished, or of other recipes, or that learned from the fold that is kept."""
    first = RunFolder(run).read()
    for one in (run, *folds):
        known = RunFolder(one).read()
        if not known.finished or known.recipe != first.recipe:
            msg = f"{one} must be a finished run by the recipe of {run}"
            raise SystemExit(msg)
    learned = [
        one.name
        for one in read_manifest(run / "manifest.csv", verify=False)
        if one.fold == KEPT_FOLD and one.split != "test"
    ]
    if learned:
        msg = f"{run} learned from fold {KEPT_FOLD}, such as {learned[0]}"
        raise SystemExit(msg)


def outliers(data: Path, preparation: Preparation) -> NDArray[np.uint8]:
    """Return prepared pictures that show no head by MRI, as they are and changed."""
    paths = (*halves(data / "other")[0], *ct_of_notumor(data))
    return with_views(np.stack([prepare(read(path), preparation) for path in paths]))


def ct_of_notumor(data: Path) -> list[Path]:
    """Return the pictures of notumor that are CT."""
    return [data / "kaggle" / row["picture"] for row in seen_in_notumor() if row["seen"] == "CT"]


def halves(other: Path) -> tuple[list[Path], list[Path]]:
    """Return the pictures that set the gate and those that test it: every second one of each folder of OTHER."""
    folders = [sorted(each for each in folder.iterdir() if each.is_file()) for folder in sorted(other.iterdir())]
    first, second = ([path for paths in folders for path in paths[start::2]] for start in (0, 1))
    return first, second


def with_views(prepared: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return prepared pictures (N, H, H), mirrored both ways, and as the augmentation of ``hardened`` changes them."""
    scaled = torch.from_numpy(prepared).float().unsqueeze(1) / 255
    made = [prepared, prepared[:, :, ::-1], prepared[:, ::-1]]
    for seed in range(VIEWS):
        drawn = transforms.draw(len(scaled), named_recipe("hardened").augmentation, torch.Generator().manual_seed(seed))
        made.append((255 * transforms.apply(scaled, drawn)).round().to(torch.uint8).squeeze(1).numpy())
    return np.concatenate(made)


def decided(bundle: Bundle, answers: Answers) -> Bundle:
    """Return the bundle with temperature, tumour scale, thresholds and what was validated, fitted out of fold."""
    answers = answers.only(answers.of("source") != "made-t2")
    kind_known = (answers.of("source") == "figshare") | ~answers.tumour
    bundle = calibrated(bundle, answers.logits, answers.targets, kind_known, sequences=recognised_of(answers))
    named = answers.only(answers.of("label") != "tumor")
    sequences = [
        own or seen for own, seen in zip(named.of("sequence").tolist(), named.of("recognised").tolist(), strict=True)
    ]
    listed = validations(bundle, named.logits, named.targets, sequences, named.of("group").tolist())
    return replace(bundle, validated=listed)


def facts_of(bundle: Bundle, run: Path) -> list[str]:
    """Return what the bundle and the run folder tell of where the model comes from."""
    known = RunFolder(run).read()
    rows = [
        ["digest", bundle.digest],
        ["classes", ", ".join(bundle.classes)],
        ["sequences recognised", ", ".join(bundle.sequence or ())],
        ["licence", bundle.licence],
        ["recipe", f"{known.recipe_name}; seed {known.seed}, from {known.weights}"],
        ["epochs", str(known.epochs)],
        [
            "minutes of training",
            f"{(known.training_seconds or 0) / 60:.0f} ({known.precision}, {known.threads} threads)",
        ],
        ["patients known", str(known.patients)],
        *(
            [f"slices of the {part} part", ", ".join(f"{label} {count}" for label, count in counts.items())]
            for part, counts in known.counts.items()
        ),
        ["digest of the manifest", known.manifest_digest[:16]],
        ["temperature of the kinds", f"{bundle.temperature:.3f}"],
        *(
            [
                f"tumour or none{', ' if one.sequence else ''}{one.sequence}: scale, offset, stated from",
                f"{one.scale:.3f}, {one.offset:.3f}, {one.threshold:.3f}",
            ]
            for one in bundle.p_tumour or ()
        ),
        ["names a kind from a probability of", f"{bundle.confidence_threshold:.3f}"],
        ["out-of-distribution threshold", f"{bundle.ood_threshold:.3f}"],
        ["declines pictures of several slices by", bundle.head_counter],
    ]
    return markdown(["what", "of this model"], rows)


def validated(bundle: Bundle) -> list[str]:
    """Return what the bundle may answer for, and by how many patients that was tested."""
    rows = [
        [one.label, one.sequence, str(one.patients), str(one.slices), f"{100 * one.right / one.slices:.1f} %"]
        for one in bundle.validated or ()
    ]
    return markdown(["class", "sequence", "patients or groups", "slices", "likeliest"], rows)


if __name__ == "__main__":
    main()
