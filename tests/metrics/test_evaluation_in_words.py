"""Tests of the terminal output of ``gadolin evaluate``."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gadolin.cli.evaluate import summary
from gadolin.metrics import measure
from gadolin.reports.context import ReportContext
from gadolin.reports.evaluation import Evaluation


def test_every_part_is_told_with_its_classes_and_the_differences(make_table):
    right = np.arange(100) % 4
    answers = np.full((100, 4), 0.1)
    answers[np.arange(100), right] = 0.7
    table = make_table(rows=100, truth=right, probabilities=answers)
    table = replace(table, parts=tuple(["duplicate"] * 60 + ["new_slice"] * 30 + ["known_patient"] * 10))
    words = summary(Evaluation(table, measure(table, resamples=50), ReportContext("four", "abc", "2026-01-01")))
    lines = words.splitlines()
    assert all(name in lines[0] for name in table.classes)
    duplicate = next(line for line in lines if line.startswith("duplicate"))
    assert duplicate.split()[1:6] == ["60", "15", "15", "15", "15"]
    assert "new patient: 0 slices, not scored: no slices" in words
    assert "known patient: 10 slices, not scored: too few slices" in words
    assert "duplicate minus new slice: accuracy +0.0 points" in words
