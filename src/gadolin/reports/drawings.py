"""The figures of a report, each with a heading, a reading aid and an alt text."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from gadolin.errors import MissingExtraError
from gadolin.metrics.measure import Measurement
from gadolin.metrics.table import Table
from gadolin.reports.context import ReportContext
from gadolin.reports.wording import joined

__all__ = ["Drawing", "draw", "inline", "load"]

_EXTRA = ("matplotlib", "seaborn", "jinja2", "markdown_it")

_WORDS = {
    "classes": (
        "Results by class",
        "Bars show the metric, whiskers its 95 % interval. If whiskers overlap widely, the bars hardly differ.",
    ),
    "confusion": (
        "Confusion matrix",
        "Each row is a true class and adds up to 100 %. Cells off the diagonal are mistakes.",
    ),
    "reliability": (
        "Calibration",
        "A dot below the dotted line means overconfidence. Larger dots represent more slices.",
    ),
    "risk-coverage": (
        "Error rate with abstention",
        "From right to left, the model abstains on more slices, the least confident first. A lower curve means fewer "
        "wrong predictions among the rest. The dot is this model with its own thresholds; it may be off the curve, "
        "because not all of them are on confidence.",
    ),
    "roc": (
        "ROC curves",
        "The closer a curve is to the upper left corner, the better its class is separated from the others.",
    ),
    "precision-recall": (
        "Precision-recall curves",
        "The higher the curve, the fewer false positives at the same recall.",
    ),
    "training": (
        "Training curves",
        "Overfitting: the validation curve gets worse while the training curve still improves.",
    ),
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure of the page: file name, heading, how to read it, alt text, and the picture as PNG bytes."""

    name: str
    heading: str
    reading: str
    alt: str
    png: bytes

    @property
    def rem(self) -> float:
        """Width on the page in rem, from the width in the PNG header, so that all figures have one text size."""
        return int.from_bytes(self.png[16:20], "big") / 25

    @property
    def source(self) -> str:
        """The picture as a data URI."""
        return inline(self.png)


def draw(table: Table, measurement: Measurement, context: ReportContext) -> dict[str, Drawing]:
    """Draw every figure of a report, by name; "training" only where there is a history.

    Raises MissingExtraError where matplotlib or seaborn is not installed.
    """
    figures = load("gadolin.reports.figures")
    scores, classes = measurement.overall, measurement.classes
    roc, average = scores.figures["macro_roc_auc"], scores.figures["macro_average_precision"]
    drawn: dict[str, tuple[str, bytes]] = {
        "classes": (
            "Bars of precision, recall and F1 of each class; the table below holds the same numbers.",
            figures.class_bars(scores, classes),
        ),
        "confusion": (
            "Confusion matrix with counts; the table below holds the same numbers.",
            figures.confusion(scores, classes),
        ),
        "reliability": (
            f"Reliability diagram; calibration error {joined('ece', scores.figures['ece'])}.",
            figures.reliability_diagram(table),
        ),
        "risk-coverage": (
            f"Error rate by coverage; coverage at 99 % accuracy {joined('coverage', scores.figures['coverage'])}.",
            figures.risk_coverage_curve(table, scores.abstention),
        ),
        "roc": (
            f"ROC curve of each class; macro area {joined('macro_roc_auc', roc)}.",
            figures.roc(table, scores),
        ),
        "precision-recall": (
            f"Precision-recall curve of each class; macro area {joined('macro_average_precision', average)}.",
            figures.precision_recall(table, scores),
        ),
    }
    if context.history:
        alt = f"Loss and accuracy of training and validation over {len(context.history)} epochs."
        drawn["training"] = (alt, figures.history_curves(context.history))
    return {name: Drawing(name, *_WORDS[name], alt=alt, png=png) for name, (alt, png) in drawn.items()}


def load(module: str, extra: str = "report") -> ModuleType:
    """Import ``module``; raise MissingExtraError for ``extra`` where a drawing package is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA:
            raise
        raise MissingExtraError(package, extra) from error


def inline(png: bytes) -> str:
    """Return PNG bytes as a data URI."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
