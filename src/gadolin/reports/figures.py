"""Figures as PNG bytes, on white, in colours that are safe for colour-blind readers.

Only this module imports matplotlib and seaborn, and it is imported only where a figure is drawn. It uses
figure objects with a separate canvas: no window, no global state, no effect on a caller's plots.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image

from gadolin.datasets.labels import class_name
from gadolin.metrics.abstention import Abstention
from gadolin.metrics.bootstrap import Interval
from gadolin.metrics.calibration import expected_calibration_error, reliability
from gadolin.metrics.measure import Scores
from gadolin.metrics.ranking import precision_recall_points, roc_points
from gadolin.metrics.selective import AIMED_ACCURACY, risk_coverage
from gadolin.metrics.table import Table

__all__ = [
    "class_bars",
    "confusion",
    "history_curves",
    "pointing_by_method",
    "precision_recall",
    "reliability_diagram",
    "risk_coverage_curve",
    "roc",
]

# Okabe and Ito, "Color Universal Design", 2008.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_LINES: tuple[str | tuple[int, tuple[int, ...]], ...] = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))
_INK, _QUIET, _GRID = "#1f2933", "#52606d", "#d9dee3"
_BAR_FIGURES = {"precision": "precision", "recall": "recall", "f1": "F1"}
_DPI = 160
_PALETTE = 96  # colours of a picture
_Corner = Literal["best", "lower left", "lower right", "upper left", "upper right"]


def confusion(scores: Scores, classes: Sequence[str]) -> bytes:
    """Draw the confusion matrix: counts and row percentages, coloured by percentage; PNG bytes."""
    counts = np.asarray(scores.confusion, dtype=np.int64)
    totals = counts.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    words = [
        [f"{count}\n{percent:.1f} %" if total else "0" for count, percent in zip(row, part, strict=True)]
        for row, part, total in zip(counts, share, totals[:, 0], strict=True)
    ]
    side = max(5.0, 1.15 * len(classes) + 1.6)
    figure, (axes,) = _figure(side + 0.8, side * 0.82)
    seaborn.heatmap(
        share,
        ax=axes,
        annot=np.asarray(words),
        fmt="",
        cmap="Blues",
        vmin=0,
        vmax=100,
        square=True,
        linewidths=1.5,
        linecolor="white",
        annot_kws={"fontsize": 11},
        cbar_kws={"label": "% of the true class", "shrink": 0.8},
    )
    axes.set_xticklabels(list(map(class_name, classes)), rotation=25, ha="right", rotation_mode="anchor")
    axes.set_yticklabels(
        [f"{class_name(name)}\nn = {n}" for name, n in zip(classes, totals[:, 0], strict=True)], rotation=0
    )
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    _label(axes, "predicted", "true", f"Confusion matrix (n = {scores.n})")
    return _png(figure)


def roc(table: Table, scores: Scores) -> bytes:
    """Draw one ROC curve per class that has rows, with its area; PNG bytes."""
    figure, (axes,) = _figure(6.4, 5.6)
    axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=1, linestyle=":", label="chance (0.500)")
    for index, name in enumerate(table.classes):
        area = scores.per_class[name].figures["roc_auc"].value
        if area is not None:
            alarms, hits = roc_points(table.probabilities[:, index], table.truth == index)
            axes.plot(alarms, hits, label=_curve(name, area, scores), **_line(index))
    _unit_square(axes)
    _label(axes, "false positive rate", "true positive rate (recall)", f"ROC curves (n = {len(table)})")
    _legend(axes, "class (area)", "lower right")
    return _png(figure)


def precision_recall(table: Table, scores: Scores) -> bytes:
    """Draw one precision-recall curve per class that has rows, with its average precision; PNG bytes."""
    figure, (axes,) = _figure(6.4, 5.6)
    for index, name in enumerate(table.classes):
        area = scores.per_class[name].figures["average_precision"].value
        if area is not None:
            recall, precision = precision_recall_points(table.probabilities[:, index], table.truth == index)
            axes.step(
                np.append(0.0, recall),
                np.append(precision[0], precision),
                label=_curve(name, area, scores),
                **_line(index),
            )
    _unit_square(axes)
    _label(axes, "recall", "precision", f"Precision-recall curves (n = {len(table)})")
    _legend(axes, "class (average precision)", "lower left")
    return _png(figure)


def reliability_diagram(table: Table) -> bytes:
    """Draw accuracy against confidence in 15 bins, above the histogram of confidences; PNG bytes."""
    filled = [one for one in reliability(table) if one.n]
    sure = np.asarray([one.confidence for one in filled], dtype=np.float64)
    right = np.asarray([one.accuracy for one in filled], dtype=np.float64)
    counts = np.asarray([one.n for one in filled])
    left = np.asarray([one.low for one in filled])
    width = filled[0].high - filled[0].low
    figure, (axes, below) = _figure(6.4, 6.0, heights=(3, 1))
    axes.plot([0, 1], [0, 1], color=_QUIET, linewidth=1, linestyle=":", label="perfect")
    axes.vlines(sure, np.minimum(sure, right), np.maximum(sure, right), color=_COLOURS[1], linewidth=3, alpha=0.45)
    axes.scatter(
        sure,
        right,
        s=18 + 160 * counts / counts.max(),
        color=_COLOURS[0],
        label="slices, by confidence",
        zorder=3,
        clip_on=False,
    )
    axes.plot(sure, right, color=_COLOURS[0], linewidth=0.8, alpha=0.6)
    _unit_square(axes)
    error = 100 * expected_calibration_error(table)
    _label(axes, "", "accuracy", f"Reliability (ECE {error:.1f} %, n = {len(table)})")
    _legend(axes, "", "best")
    below.bar(left, counts, width=width, align="edge", color=_COLOURS[4], edgecolor="white")
    below.set_xlim(-0.02, 1.02)
    _label(below, "confidence: probability of the predicted class", "slices", "")
    return _png(figure)


def risk_coverage_curve(table: Table, abstention: Abstention | None) -> bytes:
    """Draw the error rate against coverage, the most confident slices first, and the operating point; PNG bytes.

    The operating point is that of the model's own decisions, which do not only depend on confidence, so that it may be
    off the curve.
    """
    curve = risk_coverage(table)
    figure, (axes,) = _figure(6.4, 4.6)
    axes.step(curve.coverage, curve.risk, where="post", label="slices in order of confidence", **_line(0))
    axes.axhline(1 - AIMED_ACCURACY, color=_QUIET, linewidth=1, linestyle=":", label="1 % error rate")
    highest = float(curve.risk.max())
    if abstention is not None and abstention.answered:
        coverage, risk = abstention.answered / abstention.n, 1 - abstention.correct / abstention.answered
        label = f"this model's thresholds: {100 * coverage:.0f} % answered, {100 * risk:.1f} % of them wrong"
        axes.plot(
            coverage, risk, "o", color=_COLOURS[1], markersize=10, markeredgecolor="white", label=label, clip_on=False
        )
        highest = max(highest, risk)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, max(0.03, 1.3 * highest))
    _label(
        axes,
        "coverage: share of slices answered",
        "error rate of answered slices",
        f"Error rate by coverage (n = {len(table)})",
    )
    _legend(axes, "", "upper right")
    return _png(figure)


def history_curves(history: Sequence[Mapping[str, float | None]]) -> bytes:
    """Draw loss and accuracy over epochs, for training and validation; PNG bytes.

    Args:
        history: One row per epoch with the keys epoch, train_loss, train_accuracy, validation_loss and
            validation_accuracy; a value that is missing or None is left out of its line.
    """
    figure, panels = _figure(9.6, 4.0, columns=2)
    for axes, kind in zip(panels, ("loss", "accuracy"), strict=True):
        for index, part in enumerate(("train", "validation")):
            key = f"{part}_{kind}"
            points = [(row["epoch"], row[key]) for row in history if row.get(key) is not None]
            if points:
                epochs, values = zip(*points, strict=True)
                axes.plot(epochs, values, label=part, marker="o", markersize=3.5, **_line(index))
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _label(axes, "epoch", kind, f"{kind.capitalize()} by epoch")
        if axes.lines:
            _legend(axes, "", "best")
    return _png(figure)


def class_bars(scores: Scores, classes: Sequence[str]) -> bytes:
    """Draw precision, recall and F1 of each class with 95 % intervals; PNG bytes."""
    figure, (axes,) = _figure(max(6.4, 1.7 * len(classes) + 1.5), 4.6)
    places = np.arange(len(classes), dtype=np.float64)
    for index, (figure_name, label) in enumerate(_BAR_FIGURES.items()):
        for place, name in zip(places + 0.26 * (index - 1), classes, strict=True):
            one = scores.per_class[name].figures[figure_name]
            if one.value is None:
                continue
            axes.bar(
                place,
                one.value,
                width=0.24,
                color=_COLOURS[(0, 5, 2)[index]],
                label=label if place < 0.3 else None,
            )
            if one.low is not None and one.high is not None:
                spread = [[one.value - one.low], [one.high - one.value]]
                axes.errorbar(place, one.value, yerr=spread, color=_INK, capsize=3.5, linewidth=1.2)
    axes.set_xticks(places, [f"{class_name(name)}\nn = {scores.per_class[name].n}" for name in classes])
    axes.set_ylim(0, 1.03)
    axes.grid(visible=False, axis="x")
    _label(axes, "", "score", f"Results by class, with 95 % intervals (n = {scores.n})")
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, -0.14),
        ncols=3,
        frameon=False,
        labelcolor=_INK,
        fontsize=10.5,
    )
    return _png(figure)


def pointing_by_method(shares: Mapping[str, Interval], beaten_by: str) -> bytes:
    """Draw the pointing game score of each method, with intervals, against the prior to beat; PNG bytes."""
    figure, (axes,) = _figure(7.2, 1.2 + 0.42 * len(shares))
    for row, (name, share) in enumerate(shares.items()):
        middle = 100 * (share.value or 0.0)
        low, high = (middle if end is None else 100 * end for end in (share.low, share.high))
        colour = _QUIET if name == beaten_by else _COLOURS[0]
        axes.errorbar(middle, row, xerr=[[middle - low], [high - middle]], fmt="o", color=colour, capsize=4)
    if beaten_by in shares:
        axes.axvline(100 * (shares[beaten_by].value or 0.0), color=_QUIET, linewidth=1.2, linestyle=":")
    axes.set_yticks(range(len(shares)), list(shares))
    axes.set_xlim(0, 100)
    axes.set_ylim(len(shares) - 0.5, -0.5)
    _label(axes, "hottest pixel in the outline, % of slices", "", "Pointing game")
    return _png(figure)


def _figure(
    width: float, height: float, *, columns: int = 1, heights: tuple[int, ...] = (1,)
) -> tuple[Figure, list[Axes]]:
    figure = Figure(figsize=(width, height), dpi=_DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(len(heights), columns, squeeze=False, height_ratios=heights)
    panels: list[Axes] = list(grid.ravel())
    for axes in panels:
        axes.set_axisbelow(True)
        axes.grid(visible=True, color=_GRID, linewidth=0.8)
        axes.tick_params(colors=_QUIET, labelcolor=_INK, labelsize=10.5, length=0)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(_QUIET)
    return figure, panels


def _line(index: int) -> dict[str, Any]:
    return {
        "color": _COLOURS[index % len(_COLOURS)],
        "linestyle": _LINES[index % len(_LINES)],
        "linewidth": 2.0,
    }


def _curve(name: str, area: float, scores: Scores) -> str:
    return f"{class_name(name)} ({area:.3f}, n = {scores.per_class[name].n})"


def _label(axes: Axes, across: str, up: str, title: str) -> None:
    axes.set_xlabel(across, fontsize=11, color=_INK)
    axes.set_ylabel(up, fontsize=11, color=_INK)
    axes.set_title(title, fontsize=12.5, color=_INK, loc="left", pad=10, fontweight="bold")


def _legend(axes: Axes, title: str, place: _Corner) -> None:
    legend = axes.legend(
        title=title, loc=place, frameon=True, framealpha=0.9, edgecolor=_GRID, fontsize=10, labelcolor=_INK
    )
    legend.get_title().set_fontsize(10)


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)


def _png(figure: Figure) -> bytes:
    """Return the figure as PNG bytes in few colours, which needs a third of the bytes of full colour."""
    drawn, buffer = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png")
    Image.open(drawn).convert("RGB").quantize(_PALETTE).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()
