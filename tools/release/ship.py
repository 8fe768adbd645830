"""Make the packaged bundle from a multi-source network, with calibration and thresholds fitted out of fold.

    python -m benchmarks run ship DATA --run RUN --folds RUN ... [--work FOLDER] [--recalibrate] [--put] [--write]

RUN is a finished run of ``travel`` that held out fold 4 alone. ``--folds`` are runs of the same recipe for folds 0 to
3, each with a held-out institution: their held-out predictions fit the temperature, the tumour scale and the
thresholds, and define the validated classes and sequences; synthetic slices are not used for this. Every second image
of each folder of DATA/other, and the CT in notumor, set the OOD threshold. ``--put`` copies the bundle into the
package.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.answers import ANSWERS, Answers, joined_answers, read_answers, recognised_of
from benchmarks.foreign import ct_of_notumor, halves, with_views
from benchmarks.publish import markdown, print_progress, publish
from gadolin.datasets.manifest import read_manifest
from gadolin.explanations.trust import SCORES_FILE
from gadolin.models.bundle import SHIPPED, Bundle, read_bundle, write_bundle
from gadolin.models.run_folder import Provenance, RunFolder
from gadolin.networks.restore import restored
from gadolin.preprocessing.prepare import Preparation, prepare
from gadolin.readers import read
from gadolin.recipe import Recipe, named_recipe
from gadolin.recipe.keys import keys_of
from gadolin.training.bundling import make_bundle
from gadolin.training.calibrate import calibrated, validations
from gadolin.training.data import divide
from gadolin.training.plan import Plan
from tools.release.precisions import chosen, precisions, table

LICENCE = (
    "CC BY-NC-SA 4.0. Learned from slices of Cheng et al., figshare 1512427 (CC BY 4.0), of the Kaggle set "
    "masoudnickparvar/brain-tumor-mri-dataset (CC0), of TCGA-LGG (TCIA, CC BY 3.0) with masks of Buda et al. "
    "(CC BY-NC-SA 4.0), Br35H (no licence stated). Started from ImageNet weights of efficientnet-lite0 (Apache-2.0)"
)
HELD_OUT_FOLD = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--folds", type=Path, nargs="+", required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/ship"))
    parser.add_argument("--recalibrate", action="store_true", help="keep the packaged graph; fit the decision again")
    parser.add_argument("--put", action="store_true", help="copy the bundle into the package")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    require_alike(arguments.run, arguments.folds)
    answers = joined_answers([read_answers(run / ANSWERS) for run in sorted(arguments.folds)])
    small = recalibrated(answers, arguments.work) if arguments.recalibrate else made(answers, arguments)
    publish("shipped-facts", "The packaged model", facts_of(small, arguments.run), write=arguments.write)
    publish("shipped-validated", "Classes and sequences with validation", validated(small), write=arguments.write)
    if arguments.put:
        if not arguments.recalibrate:
            (SHIPPED / SCORES_FILE).unlink(missing_ok=True)  # belongs to the previous model
        shutil.copytree(small.folder, SHIPPED, dirs_exist_ok=True)


def recalibrated(answers: Answers, work: Path) -> Bundle:
    """Return a copy of the packaged bundle, with the decision fitted to answers; graph and OOD threshold stay."""
    folder = work / "recalibrated"
    shutil.copytree(SHIPPED, folder, dirs_exist_ok=True)
    bundle = decided(read_bundle(folder), answers)
    write_bundle(bundle)
    return bundle


def made(answers: Answers, arguments: argparse.Namespace) -> Bundle:
    """Return the bundle of the run, in the smallest precision that passes its gate."""
    recipe = Recipe.from_run(arguments.run)
    parts = divide(Plan(arguments.run / "manifest.csv", arguments.run, recipe, resume=True), print_progress)
    shown = outliers(arguments.data, recipe.preparation)
    network = restored(read_bundle(arguments.run))
    facts = RunFolder(arguments.run).read()
    whole = make_bundle(network, recipe, parts, facts, arguments.work / "gated", foreign=shown)
    whole = decided(replace(whole, licence=LICENCE), answers)
    write_bundle(whole)
    seen, held_out = (each.slices[each.rows] for each in (parts.train, parts.validation))
    candidates = precisions(whole, seen, held_out, parts.validation.targets, arguments.work / "precisions")
    publish(
        "ship-precision",
        "Numerical precisions of the packaged model",
        table(candidates, len(held_out)),
        write=arguments.write,
    )
    return chosen(candidates, len(held_out)).bundle


def require_alike(run: Path, folds: Sequence[Path]) -> None:
    """Exit if a run is unfinished, has another recipe, or was trained on the held-out fold."""
    first = RunFolder(run).read()
    for one in (run, *folds):
        known = RunFolder(one).read()
        if not known.finished or known.recipe != first.recipe:
            msg = f"{one} must be a finished run with the recipe of {run}"
            raise SystemExit(msg)
    learned = [
        one.name
        for one in read_manifest(run / "manifest.csv", verify=False)
        if one.fold == HELD_OUT_FOLD and one.split != "test"
    ]
    if learned:
        msg = f"{run} was trained on fold {HELD_OUT_FOLD}, for example on {learned[0]}"
        raise SystemExit(msg)


def outliers(data: Path, preparation: Preparation) -> NDArray[np.uint8]:
    """Return prepared images without a head on MRI, with augmented copies."""
    paths = (*halves(data / "other")[0], *ct_of_notumor(data))
    return with_views(np.stack([prepare(read(path), preparation) for path in paths]))


def decided(bundle: Bundle, answers: Answers) -> Bundle:
    """Return the bundle with temperature, tumour scale, thresholds and validated classes, fitted out of fold."""
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
    """Return the table of the origin and settings of the model, from the bundle and the run folder."""
    known = RunFolder(run).read()
    rows = [
        ["digest", bundle.digest],
        ["classes", ", ".join(bundle.classes)],
        ["sequences recognised", ", ".join(bundle.sequence or ())],
        ["licence", bundle.licence],
        *([f"training, step {number}", text] for number, text in enumerate(steps(known), 1)),
        ["patients in all parts, where known", str(known.patients)],
        *(
            [f"slices of the {part} part", ", ".join(f"{label} {count}" for label, count in counts.items())]
            for part, counts in known.counts.items()
        ),
        ["digest of the manifest", known.manifest_digest[:16]],
        ["temperature of the kinds", f"{bundle.temperature:.3f}"],
        *(
            [
                f"tumour or none{', ' if one.sequence else ''}{one.sequence}: scale, offset, threshold",
                f"{one.scale:.3f}, {one.offset:.3f}, {one.threshold:.3f}",
            ]
            for one in bundle.p_tumour or ()
        ),
        ["threshold of the kind", f"{bundle.confidence_threshold:.3f}"],
        ["out-of-distribution threshold", f"{bundle.ood_threshold:.3f}"],
        ["declines pictures of several slices by", bundle.head_counter],
    ]
    note = (
        "Slices labelled tumor show a tumour of unknown kind. The probability of a tumour is the logistic function of "
        "scale x log odds + offset; tumour or no tumour is predicted if its probability reaches the threshold. Each "
        "sequence has its own values; those without a sequence are for all other slices."
    )
    return [*markdown(["what", "of this model"], rows), "", note]


def steps(known: Provenance) -> list[str]:
    """Return a line on the recipe of a run, after that of each run whose weights it started from."""
    before = RunFolder(Path(known.weights_path)) if known.weights_path else None
    earlier = steps(before.read()) if before is not None and before.exists else []
    recipe, named = Recipe.from_json(known.recipe), named_recipe(known.recipe_name)
    settings = ", ".join(
        f"{key.name}={key.value}"
        for key, usual in zip(keys_of(recipe), keys_of(named), strict=True)
        if key.value != usual.value and key.name != "network.evidence"  # which training resolves
    )
    minutes = (known.training_seconds or 0) / 60
    started = f"step {len(earlier)}" if earlier else known.weights
    return [
        *earlier,
        f"{known.recipe_name}{f' with {settings}' if settings else ''}; seed {known.seed}, from {started}: "
        f"{known.epochs} epochs in {minutes:.0f} min ({known.precision}, {known.threads} threads)",
    ]


def validated(bundle: Bundle) -> list[str]:
    """Return the table of validated classes and sequences, with the patients that they were tested on."""
    rows = [
        [one.label, one.sequence, str(one.patients), str(one.slices), f"{100 * one.right / one.slices:.1f} %"]
        for one in bundle.validated or ()
    ]
    return markdown(["class", "sequence", "patients or groups", "slices", "most probable class correct"], rows)
