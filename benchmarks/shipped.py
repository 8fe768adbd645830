"""What the shipped model is worth on persons that it has never seen, on changed pictures, and on what shows no head.

    python benchmarks/shipped.py MANIFEST OTHER [--model MODEL] [--parts persons declined ...] [--write]

MANIFEST is that of a run of ship.py, whose test part is fold 4, of which nothing was learned. OTHER holds
folders of pictures that show no head; the half that did not set the gate is the test.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from corruptions import CHANGES, NO_HEADS, none_of_it
from crossval import confused, ways
from gadolin.datasets.manifest import read_manifest, write_manifest
from gadolin.explanations import Options
from gadolin.explanations.scoring.priors import PRIORS
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
from publish import keep, markdown, percent, publish, resampled, say, share, shown
from ship import halves

PARTS = ("persons", "declined", "changed", "painted", "explanations")
SURE = 0.9
UNLIKE = ("colour_image", "several_slices", "out_of_distribution")
STRENGTHS = 3
MADE = 200


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("manifest", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--model", type=Path, help="by default the model that comes with the package")
    parser.add_argument("--parts", nargs="+", default=PARTS, choices=PARTS)
    parser.add_argument("--every", type=int, default=3, help="of the slices, how many are changed and painted")
    parser.add_argument("--samples", type=int, default=500, help="of lime and shap")
    parser.add_argument("--slices", type=int, default=60, help="that lime and shap see")
    parser.add_argument("--work", type=Path, default=Path("runs/shipped"), help="where scores are kept")
    parser.add_argument("--write", action="store_true", help="put the result into docs/results.md")
    arguments = parser.parse_args()
    predictor = Predictor.load(arguments.model)
    tested = [record for record in read_manifest(arguments.manifest, verify=False) if record.split == "test"]
    some = tested[:: arguments.every]
    for part in arguments.parts:
        if part == "persons":
            table, _ = assess(predictor, tested)
            if arguments.write:
                keep("shipped-fold4", table)
            title, lines = "The shipped model on persons it has never seen", persons(predictor, tested, table)
        elif part == "declined":
            title = "What shows no head"
            lines = declined(predictor, tested, halves(arguments.other)[1])
        elif part == "changed":
            title, lines = "The shipped model on changed pictures", changed(predictor, some)
        elif part == "painted":
            title, lines = "Tumours painted out", painted(predictor, some)
        else:
            title, lines = "Explanations of the shipped model", explanations(predictor, tested, arguments)
        publish(f"shipped-{part}", title, lines, write=arguments.write)


def persons(predictor: Predictor, tested: Sequence[Record], table: Table) -> list[str]:
    """Return the figures of fold 4: four classes; the tumours among four answers and among three."""
    rows = []
    _, (_, tumour), _ = ways(table)
    measured = {name: measure(part) for name, part in ways(table)}
    for name, found in measured.items():
        scores = found.as_json()
        figures = [shown(scores[key]) for key in ("accuracy", "macro_f1", "ece", "selective_accuracy")]
        rows.append([name, f"{scores['n']} in {scores['groups']}", *figures])
    head = ["what", "slices in groups", "accuracy (95 %)", "macro F1", "ECE (15 bins)", "accuracy of the surest 90 %"]
    answers = verdicts(predictor, (read(record.path) for record in tested))
    named = np.array([not one.abstained for one in answers])
    right = np.array([one.label == record.label for one, record in zip(answers, tested, strict=True)])
    sure = np.array([max(one.probabilities.values()) >= SURE for one in answers])
    every = np.ones(len(tested), np.bool_)
    wrong = [person for person, votes in by_person(tumour).items() if not votes]
    return [
        *markdown(head, rows),
        "",
        *confused(measured["four classes"]),
        "",
        f"Persons by the majority of their slices: {len(by_person(tumour)) - len(wrong)} of {len(by_person(tumour))} "
        "right.",
        "",
        f"With abstention, coverage is {resampled(named, every, table.groups)} and selective accuracy "
        f"{resampled(right, named, table.groups)}; {resampled(named & ~right & sure, every, table.groups)} of all "
        f"slices are predicted wrongly with p ≥ {SURE}.",
    ]


def by_person(table: Table) -> dict[str, bool]:
    """Return for each person whether most slices were named as what they are."""
    votes: dict[str, Counter[int]] = defaultdict(Counter)
    truth: dict[str, Counter[int]] = defaultdict(Counter)
    for person, said, true in zip(table.groups, table.predicted.tolist(), table.truth.tolist(), strict=True):
        votes[person][said] += 1
        truth[person][true] += 1
    return {person: votes[person].most_common(1)[0][0] == truth[person].most_common(1)[0][0] for person in votes}


def declined(predictor: Predictor, tested: Sequence[Record], others: Sequence[Path]) -> list[str]:
    """Return how much of each kind is declined, beside how much of what was never learned from and is real."""
    random = np.random.default_rng(0)
    rows = []
    kinds: dict[str, Iterable[Slice]] = {"held-out real slices": map(read, (record.path for record in tested))}
    for folder in sorted({path.parent for path in others}):
        kinds[folder.name.replace("_", " ")] = map(read, [path for path in others if path.parent == folder])
    for kind in NO_HEADS:
        kinds[kind] = [Slice(none_of_it(kind, random)) for _ in range(MADE)]
    for name, pictures in kinds.items():
        answers = verdicts(predictor, pictures)
        unlike = sum(one.reason_code in UNLIKE for one in answers)
        abstained = sum(one.abstained for one in answers)
        rows.append([name, str(len(answers)), share(unlike, len(answers)), share(abstained, len(answers))])
    head = ["pictures", "n", "declined as unlike what was learned from", "declined for any reason"]
    told = (
        f"Files are those of {len(others)} that did not set the gate, every second one of the same folders; what code "
        "made, the gate had not seen the like of. The intervals take pictures for independent."
    )
    return [*markdown(head, rows), "", told]


def changed(predictor: Predictor, tested: Sequence[Record]) -> list[str]:
    """Return what becomes of the answers when pictures are changed, by kind and strength."""
    pictures = [read(record.path) for record in tested]
    labels = [record.label for record in tested]
    rows = [["as they are", *outcome(verdicts(predictor, pictures), labels)]]
    for kind, change in CHANGES.items():
        for strength in range(STRENGTHS):
            random = np.random.default_rng(strength)
            made = (replace(each, pixels=change(each.pixels, strength, random)) for each in pictures)
            rows.append([f"{kind} {strength + 1}", *outcome(verdicts(predictor, made), labels)])
    head = ["change", "accuracy", "abstained", "accuracy of the named", f"wrong with p ≥ {SURE} and no abstention"]
    mean = np.mean([float(row[1].rstrip(" %")) for row in rows[1:]])
    worst = min(rows[1:], key=lambda row: float(row[1].rstrip(" %")))
    sure = np.mean([float(row[4].rstrip(" %")) for row in rows[1:]])
    told = (
        f"{len(tested)} slices of fold 4. Mean accuracy over changes {mean:.1f} %, worst {worst[1]} ({worst[0]}, "
        f"{worst[2]} abstained); wrong and sure {sure:.1f} % on average."
    )
    return [*markdown(head, rows), "", told]


def outcome(answers: Sequence[Prediction], labels: Sequence[str]) -> list[str]:
    best = [max(one.probabilities, key=one.probabilities.__getitem__) for one in answers]
    right = [said == true for said, true in zip(best, labels, strict=True)]
    named = [ok for ok, one in zip(right, answers, strict=True) if not one.abstained]
    sure = [
        not ok and not one.abstained and max(one.probabilities.values()) >= SURE
        for ok, one in zip(right, answers, strict=True)
    ]
    values = (np.mean(right), 1 - len(named) / len(right), np.mean(named) if named else np.nan, np.mean(sure))
    return ["none named" if np.isnan(value) else percent(float(value)) for value in values]


def painted(predictor: Predictor, tested: Sequence[Record]) -> list[str]:
    """Return what is said of slices whose tumour was painted out (Telea 2004, the outline and a rim around it)."""
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
    for name, pictures in (("as they are", before), ("painted out", after)):
        pairs = list(zip(verdicts(predictor, pictures), outlined, strict=True))
        became = (
            [one.label == record.label and one.probabilities[record.label] >= SURE for one, record in pairs],
            [one.label == "notumor" for one, _ in pairs],
            [one.abstained for one, _ in pairs],
        )
        every = np.ones(len(pairs), np.bool_)
        rows.append([name, str(len(pairs)), *(resampled(np.array(each), every, persons) for each in became)])
    head = ["tumours", "n", f"named as what they were with p ≥ {SURE}", "named notumor", "abstained"]
    told = "The outline and a rim around it, filled from what is around them (Telea 2004)."
    return [*markdown(head, rows), "", told]


def explanations(predictor: Predictor, tested: Sequence[Record], arguments: argparse.Namespace) -> list[str]:
    """Score the methods that need no torch on fold 4, and keep their means for ``gadolin explain`` to tell."""
    wish = ScoringConfig(("evidence", "lime", "shap", *PRIORS), Options(samples=arguments.samples), arguments.slices)
    data = arguments.work / "tested.csv"
    write_manifest(data, tested)
    folder, lines = score_model(predictor, predictor.bundle.folder, data, wish, out=arguments.work, progress=say)
    if arguments.write:
        shutil.copy(folder / "by-class.json", predictor.bundle.folder / SCORES_FILE)
    names = (*MEASURES, *FAITHFUL)
    rows = []
    for line in (one.as_json() for one in lines):
        if line["of"] in ("all", "class"):
            means = [f"{line[name]['value']:.3f}" if name in line else "" for name in names]
            where = "all" if line["of"] == "all" else line["value"]
            rows.append([line["method"], where, str(line["n"]), *means, "yes" if line["below_prior"] else ""])
    note = f"LIME, SHAP and the curves saw {arguments.slices} slices, LIME and SHAP took {arguments.samples} samples."
    return [*markdown(["method", "named", "n", *names, "below the middle of the head"], rows), "", note]


def verdicts(predictor: Predictor, pictures: Iterable[Slice]) -> list[Prediction]:
    """Return the predictions of pictures, a few at a time."""
    answers: list[Prediction] = []
    waiting: list[Slice] = []
    for picture in pictures:
        waiting.append(picture)
        if len(waiting) == 32:
            answers += predictor.predict(waiting)
            waiting = []
    return answers + predictor.predict(waiting)


if __name__ == "__main__":
    main()
