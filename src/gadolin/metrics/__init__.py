"""Metrics of predictions against ground truth: scores with intervals, calibration, subsets, comparisons."""

from __future__ import annotations

from gadolin.metrics.abstention import Abstention, Answers
from gadolin.metrics.calibration import (
    ReliabilityBin,
    expected_calibration_error,
    fit_temperature,
    reliability,
)
from gadolin.metrics.comparison import Comparison, compare
from gadolin.metrics.decisions import Decisions
from gadolin.metrics.measure import ClassScores, Measurement, Scores, Unscored, measure
from gadolin.metrics.selective import RiskCoverage, risk_coverage
from gadolin.metrics.table import Table, read_table, write_table

__all__ = [
    "Abstention",
    "Answers",
    "ClassScores",
    "Comparison",
    "Decisions",
    "Measurement",
    "ReliabilityBin",
    "RiskCoverage",
    "Scores",
    "Table",
    "Unscored",
    "compare",
    "expected_calibration_error",
    "fit_temperature",
    "measure",
    "read_table",
    "reliability",
    "risk_coverage",
    "write_table",
]
