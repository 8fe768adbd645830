"""The sentences and numbers of a report, for readers without a background in statistics."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gadolin.datasets.labels import class_name
from gadolin.metrics.bootstrap import MINIMUM_GROUPS, Interval
from gadolin.metrics.differences import DIFFERENCE_FIGURES, Difference
from gadolin.metrics.measure import ALL, KNOWN_PARTS, UNNAMED, Measurement, Scores, Unscored
from gadolin.metrics.table import Table
from gadolin.splits import part_name

__all__ = [
    "FIGURE_WORDS",
    "PART_WORDS",
    "UNDEFINED",
    "caution",
    "difference",
    "figure_name",
    "findings",
    "joined",
    "resampling",
    "scored",
    "spelled",
    "unscored",
    "verdict",
]

SURE = 0.9
UNDEFINED = "not defined"

FIGURE_WORDS = {
    "accuracy": ("Accuracy", "share of correctly classified slices"),
    "balanced_accuracy": ("Balanced accuracy", "recall averaged over the classes, all with equal weight"),
    "macro_precision": (
        "Precision, macro",
        "share of the slices predicted as a class that belong to it, averaged over the classes",
    ),
    "macro_f1": ("F1, macro", "harmonic mean of precision and recall, averaged over the classes"),
    "macro_roc_auc": (
        "ROC-AUC, macro",
        "probability that a slice of a class scores above a slice of another class; 0.5 is chance",
    ),
    "macro_average_precision": (
        "PR-AUC, macro",
        "average precision over all thresholds, averaged over the classes",
    ),
    "brier": ("Brier score", "squared error of the probabilities, 0 to 2; lower is better"),
    "nll": ("Log loss", "negative log-likelihood of the true class, in nats; lower is better"),
    "selective_accuracy": (
        "Selective accuracy at 90 % coverage",
        "accuracy if the model abstains on the 10 % of slices with the lowest confidence",
    ),
    "coverage": (
        "Coverage at 99 % accuracy",
        "largest share of slices, the most confident first, with an accuracy of 99 %; no interval",
    ),
    "ece": (
        "Calibration error",
        "mean gap between confidence and accuracy in 15 bins; lower is better, no interval",
    ),
}
"""Label and meaning of each metric of a measurement."""

PART_WORDS = {
    ALL: "all slices",
    "duplicate": "in the training data too, possibly mirrored, rotated or re-saved: measures memorisation",
    "known_patient": "new slices of patients in the training data",
    "new_slice": "not in the training data, but the patient is unknown and may be",
    "new_patient": "from patients not in the training data: the relevant result for use in practice",
    UNNAMED: "the subset is unknown",
}
"""Meaning of each subset."""

_PERCENT = frozenset(
    {"accuracy", "balanced_accuracy", "macro_precision", "macro_f1", "ece", "precision", "recall", "f1"}
    | {"selective_accuracy", "coverage"}
)


def figure_name(name: str) -> str:
    """Return the name of a metric within a sentence or a row, such as "macro F1"."""
    return name.replace("_", " ").replace("f1", "F1")


def spelled(name: str, one: Interval) -> tuple[str, str]:
    """Return a metric and its interval as text, in percent or as decimals depending on its ``name``.

    Such as ("93.0 %", "90.4 to 95.3"), ("0.991", "no interval") or ("not defined", "").
    """
    if one.value is None:
        return UNDEFINED, ""
    scale, digits, unit = (100, 1, "\u00a0%") if name in _PERCENT else (1, 3, "")
    value = f"{scale * one.value:.{digits}f}{unit}"
    if one.low is None or one.high is None:
        return value, "no interval"
    return value, f"{scale * one.low:.{digits}f} to {scale * one.high:.{digits}f}"


def joined(name: str, one: Interval) -> str:
    """Return a metric and its interval in one phrase, such as "93.0 % (90.4 to 95.3)"."""
    value, between = spelled(name, one)
    return f"{value} ({between})" if between else value


def difference(one: Difference) -> str:
    """Return the difference between two subsets as a sentence."""
    points = []
    for name in DIFFERENCE_FIGURES:
        figure = one.figures[name]
        if figure.value is not None:
            spread = "no interval"
            if figure.low is not None and figure.high is not None:
                spread = f"{100 * figure.low:+.1f} to {100 * figure.high:+.1f}"
            points.append(f"{figure_name(name)} {100 * figure.value:+.1f} points ({spread})")
    return f"{part_name(one.minuend)} minus {part_name(one.subtrahend)}: {', '.join(points)}."


def verdict(scores: Scores) -> str:
    """Return the main result as one sentence."""
    value, between = spelled("accuracy", scores.figures["accuracy"])
    kind = between if between == "no interval" else f"95\u00a0% interval {between}\u00a0%"
    return f"Of {scores.n:,} slices, {scores.correct:,} were classified correctly: {value} ({kind})."


def resampling(measurement: Measurement) -> str:
    """Return how the intervals were computed, or why there are none."""
    kinds = "by patient if known, else by copies of a slice, else by slice"
    groups = f"{measurement.overall.groups:,} groups ({kinds})"
    if measurement.overall.groups < MINIMUM_GROUPS:
        return f"The slices form {groups}: valid intervals need at least {MINIMUM_GROUPS} groups."
    if not measurement.resamples:
        return "No intervals were requested."
    return (
        f"95\u00a0% bootstrap intervals over {groups}, {measurement.resamples:,} resamples, "
        f"seed {measurement.seed}; they hold for other slices from the same source, "
        "not for other hospitals or scanners."
    )


def caution(measurement: Measurement) -> str:
    """Return how far the main result holds: duplicates, known and unknown patients, other hospitals."""
    parts, n = measurement.parts, measurement.overall.n
    count = {name: parts[name].n if name in parts else 0 for name in KNOWN_PARTS}
    if not sum(count.values()):
        return (
            "It is not known which of these slices, or other slices of their patients, the model was trained on: the "
            "result may be too optimistic."
        )
    if count["new_patient"] == n:
        return "None of the patients is in the training data. The result is not valid for other hospitals or scanners."
    leaked = [_duplicates(count["duplicate"], n), _known_patients(count["known_patient"], n)]
    new = _new(parts)
    if not any(leaked):
        new = f"{_unknown_patients(count['new_slice'], n)} {new}".strip()
    return " ".join(sentence for sentence in [*leaked, new] if sentence)


def _duplicates(same: int, n: int) -> str:
    if not same:
        return ""
    are, them = ("is a duplicate", "it") if same == 1 else ("are duplicates", "them")
    return f"{same:,} of {n:,} slices {are} of training slices: the result on {them} is too optimistic."


def _known_patients(known: int, n: int) -> str:
    if not known:
        return ""
    are, them = ("is a new slice of a patient", "it") if known == 1 else ("are new slices of patients", "them")
    return f"{known:,} of {n:,} slices {are} in the training data: the result on {them} is not valid for new patients."


def _unknown_patients(unknown: int, n: int) -> str:
    if not unknown:
        return ""
    if unknown == n:
        return "The patients are unknown: the result is valid for new slices only, not for new patients."
    return f"The patients of {unknown:,} of {n:,} slices are unknown."


def _new(parts: Mapping[str, Scores | Unscored]) -> str:
    """Return the result on the subset that is most like use in practice."""
    patients, slices = parts.get("new_patient"), parts.get("new_slice")
    if isinstance(patients, Scores):
        return f"On patients who are not in the training data: {_short(patients)}."
    if isinstance(slices, Scores) and slices.n < parts[ALL].n:
        return f"On slices that are not in the training data, of unknown patients: {_short(slices)}."
    return ""


def findings(table: Table, measurement: Measurement) -> tuple[str, ...]:
    """Return the limitations of the result: chance level, classes without slices, confusions, confidence."""
    found = [
        _without_slices(measurement),
        _guessing(measurement),
        _worst_class(measurement),
        _confidence(table),
    ]
    return tuple(sentence for sentence in found if sentence)


def unscored(measurement: Measurement) -> tuple[str, ...]:
    """Return a sentence for each subset that has slices, but too few to score."""
    return tuple(
        f"{part_name(name)}: not scored, {part.reason}."
        for name, part in measurement.parts.items()
        if isinstance(part, Unscored) and part.n
    )


def scored(measurement: Measurement) -> dict[str, Scores]:
    """Return the scored subsets by name; without "all" where another one has all slices."""
    found = {name: part for name, part in measurement.parts.items() if isinstance(part, Scores)}
    if any(name != ALL and part.n == measurement.overall.n for name, part in found.items()):
        del found[ALL]
    return found


def _without_slices(measurement: Measurement) -> str:
    missing = [class_name(name) for name, one in measurement.overall.per_class.items() if not one.n]
    return f"There are no slices of true class {', '.join(missing)}." if missing else ""


def _short(part: Scores) -> str:
    value, between = spelled("accuracy", part.figures["accuracy"])
    return f"{value} of {part.n:,} correct ({between})"


def _guessing(measurement: Measurement) -> str:
    counts = {name: one.n for name, one in measurement.overall.per_class.items()}
    most = [name for name, n in counts.items() if n == max(counts.values())]
    guess = f"“{class_name(most[0])}”, the most frequent class," if len(most) == 1 else "one class"
    share = 100 * counts[most[0]] / measurement.overall.n
    return f"Always predicting {guess} would be correct for {share:.1f}\u00a0%."


def _worst_class(measurement: Measurement) -> str:
    counts = np.asarray(measurement.overall.confusion)
    np.fill_diagonal(counts, 0)
    if not counts.any():
        return ""
    truth, predicted = np.unravel_index(int(counts.argmax()), counts.shape)
    names = measurement.classes
    total = measurement.overall.per_class[names[truth]].n
    return (
        f"The most frequent confusion: {counts[truth, predicted]} of {total} slices of true class "
        f"“{class_name(names[truth])}” were predicted as “{class_name(names[predicted])}”."
    )


def _confidence(table: Table) -> str:
    sure, right = 100 * float(table.confidence.mean()), 100 * float(table.correct.mean())
    wrong = ~table.correct
    bold = int((table.confidence[wrong] >= SURE).sum())
    gap = sure - right
    kind = "well calibrated on average" if abs(gap) < 1 else "overconfident" if gap > 0 else "underconfident"
    stated = f"The model is {kind}: mean confidence {sure:.1f}\u00a0%, accuracy {right:.1f}\u00a0%."
    if not wrong.any():
        return stated
    count = int(wrong.sum())
    mistakes = f"Of its {count} mistakes" if count > 1 else "Of its single mistake"
    return f"{stated} {mistakes}, {bold or 'none'} had a confidence of at least {100 * SURE:.0f}\u00a0%."
