"""The packaged model on unseen persons, on corrupted slices, and on images without a head.

    python -m benchmarks run shipped MANIFEST OTHER [--model MODEL] [--parts persons declined ...] [--write]

MANIFEST is the manifest of the run that ``ship`` made the bundle from; its test part is the held-out fold 4. OTHER
holds folders of images without a head; the half that did not set the OOD threshold is the test.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.accuracy.corruptions import CHANGES, NO_HEADS, image_without_head
from benchmarks.accuracy.tables import confusion_table, correct_by_person, four_and_three_classes
from benchmarks.foreign import halves
from benchmarks.publish import (
    keep_predictions,
    markdown,
    percent,
    print_progress,
    publish,
    resampled,
    share,
    with_interval,
)
from benchmarks.verdicts import CONFIDENT, OOD_CODES, predict_all, store_measured
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.explanations import Options
from gadolin.explanations.scoring.baseline_maps import PRIORS
from gadolin.explanations.scoring.score import FAITHFUL, MEASURES, ScoringConfig
from gadolin.explanations.trust import SCORES_FILE
from gadolin.metrics import measure
from gadolin.metrics.assess import assess
from gadolin.metrics.table import Table
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.outlines import slice_and_mask
from gadolin.readers import read
from gadolin.records import Prediction, Record, Slice
from gadolin.splits import grouping_keys
from gadolin.workflows.score_explanations import score_model

PARTS = ("persons", "declined", "changed", "painted", "explanations")
STRENGTHS = 3
MADE = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--model", type=Path, help="default: the packaged model")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--every", type=int, default=3, help="take every Nth slice for the parts changed and painted")
    parser.add_argument("--samples", type=int, default=500, help="samples of LIME and SHAP")
    parser.add_argument("--slices", type=int, default=60, help="slices that LIME and SHAP explain")
    parser.add_argument("--work", type=Path, default=Path("runs/shipped"), help="folder of the scores")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.model)
    tested = [record for record in read_manifest(arguments.manifest, verify=False) if record.split == "test"]
    some = tested[:: arguments.every]
    for part in arguments.parts:
        if part == "persons":
            table, _ = assess(predictor, tested)
            if arguments.write:
                keep_predictions("shipped-fold4", table)
            title = "The packaged model on held-out patients"
            lines = persons(predictor, tested, table, store=arguments.write and arguments.model is None)
        elif part == "declined":
            title = "Pictures that are not MRI of the head"
            lines = declined(predictor, tested, halves(arguments.other)[1])
        elif part == "changed":
            title, lines = "Altered slices", changed(predictor, some)
        elif part == "painted":
            title, lines = "Inpainted tumours", painted(predictor, some)
        else:
            title, lines = "Explanations of the packaged model", explanations(predictor, tested, arguments)
        publish(f"shipped-{part}", title, lines, write=arguments.write)


def persons(predictor: Predictor, tested: Sequence[Record], table: Table, *, store: bool) -> list[str]:
    """Return the scores on fold 4: all four classes, and the tumours with four and with three classes.

    ``store`` keeps them in the packaged bundle.
    """
    rows = []
    _, (_, tumour), _ = four_and_three_classes(table)
    measured = {name: measure(part) for name, part in four_and_three_classes(table)}
    for name, found in measured.items():
        scores = found.as_json()
        figures = [with_interval(scores[key]) for key in ("accuracy", "macro_f1", "ece", "selective_accuracy")]
        rows.append([name, f"{scores['n']} in {scores['groups']}", *figures])
    head = [
        "what",
        "slices in groups",
        "accuracy (95 %)",
        "macro F1",
        "ECE (15 bins)",
        "selective accuracy at 90 % coverage",
    ]
    answers = predict_all(predictor, (read(record.path) for record in tested))
    named = np.array([not one.abstained for one in answers])
    right = np.array([one.label == record.label for one, record in zip(answers, tested, strict=True)])
    sure = np.array([max(one.probabilities.values()) >= CONFIDENT for one in answers])
    if store:
        store_measured("new_patients", slices=len(named), answered=int(named.sum()), right=int((named & right).sum()))
    every = np.ones(len(tested), np.bool_)
    votes = correct_by_person(tumour)
    wrong = [person for person, right_vote in votes.items() if not right_vote]
    return [
        *markdown(head, rows),
        "",
        *confusion_table(measured["four classes"]),
        "",
        f"Patients, by the majority of their slices: {len(votes) - len(wrong)} of {len(votes)} correct.",
        "",
        f"With the thresholds of the model, coverage is {resampled(named, every, table.groups)} and selective accuracy "
        f"{resampled(right, named, table.groups)}; {resampled(named & ~right & sure, every, table.groups)} of all "
        f"slices are answered wrongly with p ≥ {CONFIDENT}.",
    ]


def declined(predictor: Predictor, tested: Sequence[Record], others: Sequence[Path]) -> list[str]:
    """Return the share of declined images by kind, beside that of held-out slices."""
    random = np.random.default_rng(0)
    rows = []
    kinds: dict[str, Iterable[Slice]] = {"held-out real slices": map(read, (record.path for record in tested))}
    for folder in sorted({path.parent for path in others}):
        kinds[folder.name.replace("_", " ")] = map(read, [path for path in others if path.parent == folder])
    for kind in NO_HEADS:
        kinds[kind] = [Slice(image_without_head(kind, random)) for _ in range(MADE)]
    for name, pictures in kinds.items():
        answers = predict_all(predictor, pictures)
        unlike = sum(one.reason_code in OOD_CODES for one in answers)
        abstained = sum(one.abstained for one in answers)
        rows.append([name, str(len(answers)), share(unlike, len(answers)), share(abstained, len(answers))])
    head = ["pictures", "n", "declined as out of distribution", "declined for any reason"]
    note = (
        "“abdomenct” and “chestct”: CT of abdomen and chest; “cxr”: chest X-rays; “hand”: X-rays of hands; “natural”: "
        f"photographs. The detector was fitted on every second of these files; the {len(others)} files of the table "
        f"are the others. It was not fitted on synthetic pictures ({', '.join(NO_HEADS)}). The intervals treat images "
        "as independent."
    )
    return [*markdown(head, rows), "", note]


def changed(predictor: Predictor, tested: Sequence[Record]) -> list[str]:
    """Return accuracy and abstention on corrupted slices, by kind and strength."""
    pictures = [read(record.path) for record in tested]
    labels = [record.label for record in tested]
    rows = [["unaltered", *outcome(predict_all(predictor, pictures), labels)]]
    for kind, change in CHANGES.items():
        for strength in range(STRENGTHS):
            random = np.random.default_rng(strength)
            made = (replace(each, pixels=change(each.pixels, strength, random)) for each in pictures)
            rows.append([f"{kind} {strength + 1}", *outcome(predict_all(predictor, made), labels)])
    head = ["change", "accuracy", "abstained", "selective accuracy", f"wrong with p ≥ {CONFIDENT} and no abstention"]
    mean = np.mean([float(row[1].rstrip(" %")) for row in rows[1:]])
    worst = min(rows[1:], key=lambda row: float(row[1].rstrip(" %")))
    sure = np.mean([float(row[4].rstrip(" %")) for row in rows[1:]])
    note = (
        f"{len(tested)} slices of fold 4. The number after a change is its strength; inversion 1 inverts the head "
        "alone, 2 the whole picture, 3 the whole picture at half the contrast. Accuracy is that of the most probable "
        f"class, without regard to abstention: {mean:.1f} % on average over the changes, at worst {worst[1]} "
        f"({worst[0]}, {worst[2]} abstained). Wrong with p ≥ 0.9 are {sure:.1f} % on average."
    )
    return [*markdown(head, rows), "", note]


def outcome(answers: Sequence[Prediction], labels: Sequence[str]) -> list[str]:
    best = [max(one.probabilities, key=one.probabilities.__getitem__) for one in answers]
    right = [predicted == true for predicted, true in zip(best, labels, strict=True)]
    named = [ok for ok, one in zip(right, answers, strict=True) if not one.abstained]
    sure = [
        not ok and not one.abstained and max(one.probabilities.values()) >= CONFIDENT
        for ok, one in zip(right, answers, strict=True)
    ]
    values = (np.mean(right), 1 - len(named) / len(right), np.mean(named) if named else np.nan, np.mean(sure))
    return ["none answered" if np.isnan(value) else percent(float(value)) for value in values]


def painted(predictor: Predictor, tested: Sequence[Record]) -> list[str]:
    """Return predictions of slices whose tumour was inpainted (Telea 2004, the outline and a margin)."""
    rows: list[list[str]] = []
    outlined = [record for record in tested if record.outlined]
    persons = grouping_keys(outlined)
    before, after = [], []
    for record in outlined:
        image, mask = slice_and_mask(record)
        before.append(image)
        around = np.ones((15, 15), np.uint8)
        rim = cv2.dilate(mask.astype(np.uint8), around)
        without = cv2.inpaint(image.pixels.astype(np.uint8), rim, 5, cv2.INPAINT_TELEA)
        after.append(replace(image, pixels=without.astype(np.float32)))
    for name, pictures in (("unaltered", before), ("inpainted", after)):
        pairs = list(zip(predict_all(predictor, pictures), outlined, strict=True))
        became = (
            [one.label == record.label and one.probabilities[record.label] >= CONFIDENT for one, record in pairs],
            [one.label == "notumor" for one, _ in pairs],
            [one.abstained for one, _ in pairs],
        )
        every = np.ones(len(pairs), np.bool_)
        rows.append([name, str(len(pairs)), *(resampled(np.array(each), every, persons) for each in became)])
    head = ["tumours", "n", f"predicted as the true class with p ≥ {CONFIDENT}", "predicted notumor", "abstained"]
    note = "The outline and a rim around it are filled from the surrounding pixels (Telea 2004)."
    return [*markdown(head, rows), "", note]


def explanations(predictor: Predictor, tested: Sequence[Record], arguments: argparse.Namespace) -> list[str]:
    """Score the methods that need no torch on fold 4; with --write put the means into the bundle."""
    config = ScoringConfig(("evidence", "lime", "shap", *PRIORS), Options(samples=arguments.samples), arguments.slices)
    data = arguments.work / "tested.csv"
    write_manifest(data, tested)
    folder, lines = score_model(
        predictor, predictor.bundle.folder, data, config, out=arguments.work, progress=print_progress
    )
    if arguments.write:
        shutil.copy(folder / "by-class.json", predictor.bundle.folder / SCORES_FILE)
    names = (*MEASURES, *FAITHFUL)
    rows = []
    for line in (one.as_json() for one in lines):
        if line["of"] in ("all", "class"):
            means = [f"{line[name]['value']:.3f}" if name in line else "" for name in names]
            where = "all" if line["of"] == "all" else line["value"]
            rows.append([line["method"], where, str(line["n"]), *means, "yes" if line["below_prior"] else ""])
    note = (
        f"LIME, SHAP, deletion and insertion were computed for {arguments.slices} slices, LIME and SHAP with "
        f"{arguments.samples} samples. The last column: the hottest pixel is in the tumour no more often than the "
        "centre of the head is, on the same slices."
    )
    return [*markdown(["method", "predicted", "n", *names, "worse than the centre of the head"], rows), "", note]
