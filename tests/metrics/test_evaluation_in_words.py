"""Tests of the terminal output of ``gadolin evaluate``."""

from __future__ import annotations

import sys
from dataclasses import replace

import numpy as np

from gadolin.cli.evaluate import summary
from gadolin.metrics import Decisions, measure
from gadolin.models.predictor import _REASONS
from gadolin.reports.answers import REASONS
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
    assert lines[0] == "100 of 100 right (100.0 %, 92.9 to 100.0), by the most probable class of every slice."
    assert all(name in lines[2] for name in table.classes)
    duplicate = next(line for line in lines if line.startswith("duplicate"))
    assert duplicate.split()[1:6] == ["60", "15", "15", "15", "15"]
    assert "new patient: 0 slices, not scored: no slices" in words
    assert "known patient: 10 slices, not scored: too few slices" in words
    assert "duplicate minus new slice: accuracy +0.0 points" in words


def evaluation_of(table, **context):
    context = ReportContext("four", "abc", "2026-01-01", **context)
    return Evaluation(table, measure(table, resamples=50), context)


def test_right_answered_and_declined_slices_are_said_first_and_by_class(make_table):
    classes = ("glioma", "meningioma", "pituitary", "notumor")
    table = make_table(rows=40, classes=classes, truth=np.arange(40) % 4)
    labels = tuple(classes[k] if row >= 12 else "" for row, k in enumerate(table.truth))
    reasons = ("low_confidence",) * 8 + ("colour_image",) * 4 + ("",) * 28
    words = summary(evaluation_of(replace(table, decisions=Decisions(labels, reasons))))
    lines = words.splitlines()
    assert lines[0].startswith(f"{table.correct.sum()} of 40 right (")
    assert lines[1].startswith("With abstention, as in gadolin predict: 28 answered, 28 of them right (100.0 %, ")
    assert lines[1].endswith(", 12 declined.")
    assert lines[2] == "Declined: 8 low confidence in every class; 4 colour image."
    head = next(line for line in lines if line.startswith("answers"))
    assert head.split() == ["answers", "of", "n", "answered", "right", "declined", "selective", "accuracy", "coverage"]
    row = next(line for line in lines if line.startswith("By true class  no tumour"))
    assert row.split()[5:9] == ["10", "7", "7", "3"]
    assert "notumor" not in words


def test_a_model_without_thresholds_never_declines_and_older_tables_say_nothing(make_table):
    table = make_table(rows=40)
    labels = tuple(table.classes[k] for k in table.predicted)
    words = summary(evaluation_of(replace(table, decisions=Decisions(labels, ("",) * 40)), never_declines=True))
    assert "40 answered" in words
    assert "0 declined" in words
    assert "This model never declines a greyscale slice: it has no thresholds." in words
    assert "coverage" not in words
    assert "declined" not in summary(evaluation_of(table))


def test_tumour_and_kind_are_said_apart(make_table):
    classes = ("glioma", "meningioma", "pituitary", "notumor")
    table = make_table(rows=40, classes=classes, truth=np.arange(40) % 4)
    labels = tuple(classes[k] if row >= 12 else "" for row, k in enumerate(table.truth))
    reasons = ("kind_not_validated",) * 8 + ("tumour_uncertain",) * 4 + ("",) * 28
    decisions = Decisions(labels, reasons, p_tumour=(0.9,) * 40, sequences=("T2",) * 40)
    words = summary(evaluation_of(replace(table, decisions=decisions)))
    assert "Tumour or no tumour: 36 answered, 34 of them right (94.4 %, " in words
    assert "Kind of tumour, on 27 slices with a tumour found: 21 answered, 21 of them right (100.0 %, " in words
    assert "8 tumour suspected, but its kind was not validated on this sequence" in words


def test_every_reason_has_words():
    assert set(REASONS) == set(_REASONS)


def test_on_a_terminal_every_line_fits(make_table, monkeypatch):
    classes = ("glioma", "meningioma", "pituitary", "notumor")
    table = make_table(rows=100, classes=classes, truth=np.arange(100) % 4)
    table = replace(table, parts=tuple(["duplicate"] * 60 + ["new_slice"] * 40))
    labels = tuple(classes[k] if row >= 12 else "" for row, k in enumerate(table.truth))
    reasons = ("low_confidence",) * 12 + ("",) * 88
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    lines = summary(evaluation_of(replace(table, decisions=Decisions(labels, reasons)))).splitlines()
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("duplicate ") for line in lines) >= 2, "the subset is named in each table"
