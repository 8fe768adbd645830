"""The answers and abstentions of a model in words, for the report and the command line."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from gadolin.datasets.labels import class_name
from gadolin.metrics.abstention import ALL, Abstention, Answers
from gadolin.metrics.measure import Measurement, Scores
from gadolin.reports.wording import scored, spelled
from gadolin.splits import part_name

__all__ = [
    "NEVER",
    "REASONS",
    "AnswerRow",
    "answer_rows",
    "answer_sentences",
    "declined_reasons",
    "reason_name",
    "shown_rows",
]

REASONS = {
    "colour_image": "colour image",
    "several_slices": "several slices in one image",
    "out_of_distribution": "out of distribution",
    "low_confidence": "low confidence in every class",
    "tumour_uncertain": "uncertain between tumour and no tumour",
    "kind_uncertain": "tumour suspected, but its kind is uncertain",
    "kind_not_validated": "tumour suspected, but its kind was not validated on this sequence",
    "sequence_not_validated": "no tumour predicted, but not validated on this sequence",
}
"""Each reason to abstain, by code."""

NEVER = "This model never declines a greyscale slice: it has no thresholds."


class AnswerRow(NamedTuple):
    """A row of the table of answers: the question or cut it belongs to, its name, and the answers."""

    group: str
    name: str
    answers: Answers


def reason_name(code: str) -> str:
    """Return a reason to abstain in words."""
    return REASONS.get(code, code.replace("_", " "))


def declined_reasons(abstention: Abstention) -> str:
    """Return the reasons with their counts, such as "12 low confidence in every class; 3 colour image"."""
    return "; ".join(f"{count:,} {reason_name(code)}" for code, count in abstention.reasons.items())


def answer_sentences(scores: Scores, *, never_declines: bool) -> list[str]:
    """Return what the model answers and declines, a sentence for each question; none without decisions."""
    abstention = scores.abstention
    if abstention is None:
        return []
    sentences = [f"With abstention, as in gadolin predict: {_sentence(abstention)}"]
    if never_declines:
        sentences.append(NEVER)
    if abstention.tumour is not None:
        sentences.append(f"Tumour or no tumour: {_sentence(abstention.tumour[ALL])}")
    if abstention.kind is not None:
        found = abstention.kind[ALL]
        if found.n:
            sentences.append(f"Kind of tumour, on {found.n:,} slices with a tumour found: {_sentence(found)}")
    return sentences


def _sentence(one: Answers) -> str:
    share = f" ({', '.join(spelled('selective_accuracy', one.selective_accuracy))})" if one.answered else ""
    return f"{one.answered:,} answered, {one.correct:,} of them right{share}, {one.declined:,} declined."


def answer_rows(measurement: Measurement) -> list[AnswerRow]:
    """Return the answers on all slices, by subset, by true class, and on tumour and kind; none without decisions."""
    whole = measurement.overall.abstention
    if whole is None:
        return []
    rows = [
        AnswerRow("Class", part_name(name), part.abstention)
        for name, part in measurement.parts.items()
        if isinstance(part, Scores) and part.abstention is not None
    ]
    rows += _group("By true class", whole.per_class)
    rows += _group("Tumour or no tumour", whole.tumour or {})
    return rows + _group("Kind of the tumours found", whole.kind or {})


def shown_rows(measurement: Measurement) -> list[AnswerRow]:
    """Return :func:`answer_rows` without the row of all slices where one subset has all slices."""
    rows = answer_rows(measurement)
    return rows if ALL in scored(measurement) else [row for row in rows if (row.group, row.name) != ("Class", ALL)]


def _group(group: str, answers: Mapping[str, Answers]) -> list[AnswerRow]:
    return [AnswerRow(group, class_name(name), one) for name, one in answers.items() if one.n]
