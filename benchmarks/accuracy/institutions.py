"""Tumour detection on a held-out institution of TCGA-LGG, by sequence and level of the head.

    python -m benchmarks run institutions DATA RUN ... [--write]

RUN is a run of ``travel`` that left an institution out. Slices without a tumour are mostly skull base and vertex, so
the level alone predicts much. "AUROC of the level alone" ranks slices by how often the other institutions have a
tumour in the same tenth of the head; "matched levels" compares slices of the same tenth only. Intervals resample
patients.
"""

from __future__ import annotations

import argparse
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.answers import ANSWERS, probabilities_of, read_answers
from benchmarks.datasets import slice_rows
from benchmarks.publish import markdown, publish, resampled, with_interval
from benchmarks.verdicts import CONFIDENT
from gadolin.metrics.bootstrap import group_intervals
from gadolin.metrics.scores import ratio
from gadolin.models.bundle import read_bundle

TENTHS = 10
NAME = re.compile(r"(?P<patient>TCGA_(?P<institution>[A-Z]+)_\w+)-(?P<level>\d+)-(?P<sequence>\w+)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--write", action="store_true", help="store the result and render docs/")
    arguments = parser.parse_args()
    tenths = levels(arguments.data)
    rows = []
    for run in arguments.runs:
        rows += rows_of_run(run, tenths)
    head = ["network", "institution", "sequence", "tumour", "none", "patients", "AUROC",
            "AUROC of the level alone", "AUROC, matched levels",
            "correct by p >= 0.5", "wrong with p >= 0.9"]  # fmt: skip
    note = (
        "Tumour and none are numbers of slices with and without a tumour. AUROC is that of the probability of a "
        "tumour. That of the level alone ranks slices by how often the other institutions have a tumour in the same "
        "tenth of the head. Matched levels: only slices of the same tenth are compared. Correct by p >= 0.5: a "
        "probability of a tumour of 0.5 or more counts as tumour. Wrong with p >= 0.9: the wrong answer has a "
        "probability of 0.9 or more. “T2, made” was synthesised from T1 and FLAIR."
    )
    lines = [*markdown(head, rows), "", note]
    publish("institutions", "Held-out institutions of TCGA-LGG", lines, write=arguments.write)


def levels(data: Path) -> dict[str, tuple[int, str]]:
    """Return the tenth of the head (0 to 9) and the label of each slice of TCGA-LGG, by patient and slice number.

    The head of a patient extends from the first listed slice to the last.
    """
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for row in slice_rows(data / "lgg"):
        name = NAME.match(Path(row["path"]).stem)
        assert name, "file names of TCGA-LGG hold patient, number and sequence"
        found[name["patient"]][int(name["level"])] = row["label"]
    return {
        f"{patient}-{level}": (min(TENTHS - 1, TENTHS * (level - min(own)) // (max(own) - min(own) + 1)), label)
        for patient, own in found.items()
        for level, label in own.items()
    }


def rows_of_run(run: Path, tenths: dict[str, tuple[int, str]]) -> list[list[str]]:
    """Return a row for each sequence of the institution that a run left out; no row if it left none out."""
    answers = read_answers(run / ANSWERS)
    answers = answers.only(np.isin(answers.of("source"), ("lgg", "made-t2")))
    if not len(answers):
        return []
    likely = 1 - probabilities_of(answers, read_bundle(run))[:, answers.classes.index("notumor")]
    parts = [NAME.match(Path(one).stem) for one in answers.of("picture")]
    tenth = np.array([tenths[f"{part['patient']}-{int(part['level'])}"][0] for part in parts if part])
    (institution,) = set(answers.of("institution"))
    shares = level_shares(tenths, institution)
    cells = []
    for sequence in ("T1", "T1c", "FLAIR", "T2"):
        own = answers.of("sequence") == sequence
        tumour, p, at = answers.tumour[own], likely[own], tenth[own]
        groups, every = answers.of("group")[own].tolist(), np.ones(len(p), np.bool_)
        figures = [
            auroc(tumour, p, groups),
            auroc(tumour, shares[at], groups),
            auroc(tumour, p, groups, strata=at),
            resampled((p >= 0.5) == tumour, every, groups),
            resampled(np.where(tumour, 1 - p, p) >= CONFIDENT, every, groups),
        ]
        counts = [str(int(tumour.sum())), str(int((~tumour).sum())), str(len(set(groups)))]
        cells.append([run.name, institution, "T2, made" if sequence == "T2" else sequence, *counts, *figures])
    return cells


def level_shares(tenths: dict[str, tuple[int, str]], institution: str) -> NDArray[np.float64]:
    """Return (10,) float64: the share of slices with a tumour in each tenth of the head, other institutions."""
    found = [(tenth, label) for name, (tenth, label) in tenths.items() if f"_{institution}_" not in name]
    at, tumour = np.array([one[0] for one in found]), np.array([one[1] != "notumor" for one in found])
    return np.asarray(np.bincount(at, tumour, TENTHS) / np.maximum(np.bincount(at, minlength=TENTHS), 1))


def auroc(
    tumour: NDArray[np.bool_],
    score: NDArray[np.float64],
    groups: Sequence[str],
    *,
    strata: NDArray[np.int64] | None = None,
) -> str:
    """Return the AUROC of ``score`` (N,) for ``tumour`` (N,) in percent, over pairs within the same stratum."""
    at = np.zeros(len(score), np.int64) if strata is None else strata
    pairs = [(np.flatnonzero(tumour & (at == one)), np.flatnonzero(~tumour & (at == one))) for one in np.unique(at)]
    above = [(score[yes][:, None] > score[no]) + 0.5 * (score[yes][:, None] == score[no]) for yes, no in pairs]

    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        right = sum(
            ((weights[:, yes] @ each) * weights[:, no]).sum(1) for (yes, no), each in zip(pairs, above, strict=True)
        )
        whole = sum(weights[:, yes].sum(1) * weights[:, no].sum(1) for yes, no in pairs)
        return ratio(np.asarray(right), np.asarray(whole))[:, None]

    return with_interval(group_intervals(statistic, groups)[0].as_json())
