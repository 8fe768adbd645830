"""Logits of held-out slices with their metadata, stored as CSV so that every score can be recomputed."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gadolin.files.atomic import write_bytes
from gadolin.metrics.table import Table
from gadolin.models.bundle import Bundle
from gadolin.models.decision import class_probabilities
from gadolin.models.predictor import Predictor
from gadolin.preprocessing.cache import prepared_slices
from gadolin.records import Record
from gadolin.splits import grouping_keys

ANSWERS = "answers.csv.gz"
"""Name of the file in a run folder."""

COLUMNS = ("picture", "digest", "group", "source", "institution", "sequence", "label", "recognised", "ood_score")
DIGITS = 5  # decimals of a logit


@dataclass(frozen=True)
class Answers:
    """Metadata of N slices with the recognised sequence and OOD score, and their ``logits`` (N, K)."""

    classes: tuple[str, ...]
    facts: tuple[dict[str, str], ...]
    logits: NDArray[np.float64]

    def __len__(self) -> int:
        """Return N."""
        return len(self.facts)

    def of(self, name: str) -> NDArray[np.str_]:
        """Return one metadata column (N,)."""
        return np.array([one[name] for one in self.facts])

    def only(self, rows: NDArray[np.bool_]) -> Answers:
        """Return the chosen rows."""
        return Answers(self.classes, tuple(self.facts[row] for row in np.flatnonzero(rows)), self.logits[rows])

    @property
    def targets(self) -> NDArray[np.int64]:
        """The class index of each slice (N,); 0 where the kind of tumour is unknown."""
        return np.array([self.classes.index(one["label"]) if one["label"] in self.classes else 0 for one in self.facts])

    @property
    def tumour(self) -> NDArray[np.bool_]:
        """Whether each slice shows a tumour (N,)."""
        return self.of("label") != "notumor"

    def table(self, probabilities: NDArray[np.floating]) -> Table:
        """Return a table of predictions from calibrated probabilities (N, K)."""
        likely = probabilities.astype(np.float64)
        return Table(
            classes=self.classes,
            probabilities=likely / likely.sum(axis=1, keepdims=True),
            truth=self.targets,
            paths=tuple(self.of("picture").tolist()),
            groups=tuple(self.of("group").tolist()),
            parts=("",) * len(self),
            digests=tuple(self.of("digest").tolist()),
        )


def answered(predictor: Predictor, records: Sequence[Record], cache: Path | None = None) -> Answers:
    """Return the logits of a model for records."""
    prepared = prepared_slices(records, predictor.bundle.preparation, cache)
    output = predictor.run_network(prepared.slices)
    recognised = [one or "" for one in predictor.sequences(output)]
    scores = [""] * len(records) if output.ood_score is None else [f"{one:.4f}" for one in output.ood_score]
    facts = tuple(
        {
            "picture": record.path.name,
            "digest": record.digest,
            "group": group,
            "source": record.source,
            "institution": record.institution,
            "sequence": record.sequence,
            "label": record.label,
            "recognised": seen,
            "ood_score": score,
        }
        for record, group, seen, score in zip(records, grouping_keys(records), recognised, scores, strict=True)
    )
    return Answers(predictor.bundle.classes, facts, output.logits.astype(np.float64))


def probabilities_of(answers: Answers, bundle: Bundle) -> NDArray[np.float32]:
    """Return the probabilities (N, K) of the logits, calibrated by a bundle."""
    return class_probabilities(answers.logits, bundle, recognised_of(answers))


def recognised_of(answers: Answers) -> list[str | None]:
    """Return the N recognised sequences, None where there is none."""
    return [one or None for one in answers.of("recognised").tolist()]


def write_answers(path: Path, answers: Answers) -> None:
    """Write answers as gzipped CSV; the bytes depend on the answers alone."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*COLUMNS, *(f"z_{name}" for name in answers.classes)))
    for facts, row in zip(answers.facts, answers.logits.tolist(), strict=True):
        writer.writerow((*(facts[name] for name in COLUMNS), *(f"{value:.{DIGITS}f}" for value in row)))
    write_bytes(path, gzip.compress(text.getvalue().encode(), mtime=0))


def read_answers(path: Path) -> Answers:
    """Read a file of ``write_answers``."""
    with gzip.open(path, "rt", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    classes = tuple(name.removeprefix("z_") for name in rows[0] if name.startswith("z_"))
    logits = np.array([[float(row[f"z_{name}"]) for name in classes] for row in rows])
    return Answers(classes, tuple({name: row[name] for name in COLUMNS} for row in rows), logits)


def joined_answers(parts: Sequence[Answers]) -> Answers:
    """Concatenate the answers of several networks for different slices."""
    facts = tuple(one for part in parts for one in part.facts)
    return Answers(parts[0].classes, facts, np.concatenate([part.logits for part in parts]))
