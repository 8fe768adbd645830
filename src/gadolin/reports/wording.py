"""The sentences and numbers of a report, worded for a reader who is no statistician."""

from __future__ import annotations

import numpy as np

from gadolin.metrics.bootstrap import MINIMUM_GROUPS, Interval
from gadolin.metrics.differences import DIFFERENCE_FIGURES, Difference
from gadolin.metrics.measure import ALL, KNOWN_PARTS, UNNAMED, Measurement, Scores, Unscored
from gadolin.metrics.table import Table
from gadolin.splits import part_name

__all__ = [
    "FIGURE_WORDS",
    "PART_WORDS",
    "difference",
    "findings",
    "joined",
    "resampling",
    "spelled",
    "verdict",
]

SURE = 0.9

FIGURE_WORDS = {
    "accuracy": ("Accuracy", "share of slices named correctly"),
    "balanced_accuracy": ("Balanced accuracy", "recall averaged over the classes, each counting the same"),
    "macro_precision": (
        "Precision, macro",
        "of the slices named as a class, the share that is of it; averaged",
    ),
    "macro_f1": ("F1, macro", "harmonic mean of precision and recall, averaged over the classes"),
    "macro_roc_auc": (
        "ROC-AUC, macro",
        "chance that a slice of a class scores above one of another; 0.5 is guessing",
    ),
    "macro_average_precision": (
        "PR-AUC, macro",
        "average precision over all thresholds, averaged over the classes",
    ),
    "brier": ("Brier score", "squared error of the probabilities, 0 to 2; lower is better"),
    "nll": ("Log loss", "surprise at the truth, in nats; lower is better"),
    "selective_accuracy": (
        "Accuracy of 90 % answered",
        "share named correctly where the tenth of the slices that it is least sure of goes unanswered",
    ),
    "coverage": (
        "Coverage at 99 % accuracy",
        "largest share of slices, the surest first, that is named correctly to 99 %; no interval",
    ),
    "ece": (
        "Calibration error",
        "mean gap between confidence and accuracy in 15 bins; lower is better, no interval",
    ),
}
"""Label and meaning of each of the figures of a measurement."""

PART_WORDS = {
    ALL: "every slice",
    "duplicate": "also in the training data, as it is, mirrored, turned or re-saved: says what was memorised",
    "known_patient": "new slices of patients who are in the training data",
    "new_slice": "not in the training data, though their patients are unknown and may be",
    "new_patient": "of patients that the model has never seen: what counts for use",
    UNNAMED: "not known to which part they belong",
}
"""What each part stands for."""

_PERCENT = frozenset(
    {"accuracy", "balanced_accuracy", "macro_precision", "macro_f1", "ece", "precision", "recall", "f1"}
    | {"selective_accuracy", "coverage"}
)


def spelled(name: str, one: Interval) -> tuple[str, str]:
    """Return a figure and its interval in words, in percent or in decimals as its ``name`` asks.

    Such as ("93.0 %", "90.4 to 95.3"), ("0.991", "no interval") or ("not defined", "").
    """
    if one.value is None:
        return "not defined", ""
    scale, digits, unit = (100, 1, "\u00a0%") if name in _PERCENT else (1, 3, "")
    value = f"{scale * one.value:.{digits}f}{unit}"
    if one.low is None or one.high is None:
        return value, "no interval"
    return value, f"{scale * one.low:.{digits}f} to {scale * one.high:.{digits}f}"


def joined(name: str, one: Interval) -> str:
    """Return a figure and its interval in one phrase, such as "93.0 % (90.4 to 95.3)"."""
    value, between = spelled(name, one)
    return f"{value} ({between})" if between else value


def difference(one: Difference) -> str:
    """Return what one part has over another as a sentence."""
    told = []
    for name in DIFFERENCE_FIGURES:
        figure = one.figures[name]
        if figure.value is not None:
            spread = "no interval"
            if figure.low is not None and figure.high is not None:
                spread = f"{100 * figure.low:+.1f} to {100 * figure.high:+.1f}"
            told.append(f"{FIGURE_WORDS[name][0].lower()} {100 * figure.value:+.1f} points ({spread})")
    return f"{part_name(one.minuend)} less {part_name(one.subtrahend)}: {', '.join(told)}."


def verdict(scores: Scores) -> str:
    """Return the one sentence that a reader takes home."""
    value, between = spelled("accuracy", scores.figures["accuracy"])
    kind = between if between == "no interval" else f"95\u00a0% interval {between}\u00a0%"
    return f"Of {scores.n:,} slices, {scores.correct:,} were named correctly: {value} ({kind})."


def resampling(measurement: Measurement) -> str:
    """Return what the intervals stand on, or why there are none."""
    kinds = "the patient where known, else the copies of one slice, else the slice"
    groups = f"{measurement.overall.groups:,} groups ({kinds})"
    if measurement.overall.groups < MINIMUM_GROUPS:
        return f"The slices fall into {groups}: fewer than {MINIMUM_GROUPS} give no honest interval."
    if not measurement.resamples:
        return "No intervals were asked for."
    return (
        f"Intervals hold 95\u00a0% and resample {groups}, {measurement.resamples:,} times, "
        f"seed {measurement.seed}; they tell what other slices from the same source would give, "
        "not other hospitals or scanners."
    )


def findings(table: Table, measurement: Measurement) -> tuple[str, ...]:
    """Return what to know before trusting the figure: parts, guessing, confusions, confidence."""
    found = [_parts(measurement), _guessing(measurement), _worst_class(measurement), _confidence(table)]
    return tuple(sentence for sentence in found if sentence)


def _parts(measurement: Measurement) -> str:
    parts = measurement.parts
    if len(parts) == 1:
        return (
            "It is not known which of these slices, or others of the same patients, the model was trained "
            "on; if some were, the figure is too good."
        )
    new = parts.get("new_patient")
    if isinstance(new, Scores):
        return f"On patients that the model has never seen: {_short(new)}."
    scored = {name: parts.get(name) for name in KNOWN_PARTS[:-1]}
    known = [f"{part_name(name)}: {_short(part)}" for name, part in scored.items() if isinstance(part, Scores)]
    few = f"only {new.n}" if isinstance(new, Unscored) and new.n else "none"
    listed = f" Known are: {'; '.join(known)}." if known else ""
    return f"Nothing is shown for new patients: {few} of these slices can be told to be of one.{listed}"


def _short(part: Scores) -> str:
    value, between = spelled("accuracy", part.figures["accuracy"])
    return f"{value} of {part.n:,} correct ({between})"


def _guessing(measurement: Measurement) -> str:
    name, one = max(measurement.overall.per_class.items(), key=lambda item: item[1].n)
    share = 100 * one.n / measurement.overall.n
    return f"Always answering “{name}”, the most frequent class, would be right for {share:.1f}\u00a0%."


def _worst_class(measurement: Measurement) -> str:
    counts = np.asarray(measurement.overall.confusion)
    np.fill_diagonal(counts, 0)
    if not counts.any():
        return ""
    truth, predicted = np.unravel_index(int(counts.argmax()), counts.shape)
    names = measurement.classes
    total = measurement.overall.per_class[names[truth]].n
    return (
        f"The most frequent confusion: {counts[truth, predicted]} of {total} slices of “{names[truth]}” "
        f"were named “{names[predicted]}”."
    )


def _confidence(table: Table) -> str:
    sure, right = 100 * float(table.confidence.mean()), 100 * float(table.correct.mean())
    wrong = ~table.correct
    bold = int((table.confidence[wrong] >= SURE).sum())
    gap = sure - right
    kind = (
        "about as sure as it is right"
        if abs(gap) < 1
        else "surer than it is right"
        if gap > 0
        else "less sure than right"
    )
    stated = f"The model is {kind}: mean confidence {sure:.1f}\u00a0%, correct {right:.1f}\u00a0%."
    if not wrong.any():
        return stated
    count = int(wrong.sum())
    mistakes = f"Of its {count} mistakes" if count > 1 else "Of its single mistake"
    return f"{stated} {mistakes}, {bold or 'none'} had a confidence of at least {100 * SURE:.0f}\u00a0%."
