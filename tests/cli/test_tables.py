"""Tables on a terminal: they fit its width, and no cell is lost. Elsewhere each row is a line."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from gadolin.cli.output import class_name, table
from gadolin.cli.predict import _text
from gadolin.records import Prediction

CLASSES = ("glioma", "meningioma", "notumor", "pituitary")
REASON = "out of distribution: unlike the training data"


@pytest.fixture
def terminal(monkeypatch):
    """Let standard output be a terminal of some width."""

    def resize(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    return resize


def prediction(path, label, reason=None):
    p = dict(zip(CLASSES, (0.1, 0.2, 0.3, 0.4), strict=True))
    code = reason and "out_of_distribution"
    return Prediction(path, p, label, abstained=label is None, reason=reason, reason_code=code, model="")


PREDICTIONS = [
    prediction("data/patients/0001/series-12/slice-000123.png", "notumor"),
    prediction("b.png", None, REASON),
]


@pytest.mark.parametrize("columns", [80, 100, 160])
def test_predictions_fit_the_terminal(columns, terminal):
    terminal(columns)
    text = _text(PREDICTIONS, CLASSES)
    lines = text.splitlines()
    assert max(map(len, lines)) <= columns
    assert "…" not in text
    assert "no tumour" in text
    assert "notumor" not in text
    assert text.count("0.400") == 2
    reasons = " ".join(line[lines[0].index("reason") :].strip() for line in lines[2:])
    assert " ".join(reasons.split()) == REASON


def test_elsewhere_a_prediction_is_one_line():
    lines = _text(PREDICTIONS, CLASSES).splitlines()
    assert len(lines) == 4
    assert lines[-1].split()[:2] == ["b.png", "abstains"]
    assert lines[-1].endswith(REASON)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("kind_not_validated", "tumour suspected"),
        ("kind_uncertain", "tumour suspected"),
        ("tumour_uncertain", "abstains"),
        ("low_confidence", "abstains"),
    ],
)
def test_a_suspected_tumour_is_no_abstention(code, told):
    line = _text([replace(prediction("b.png", None, REASON), reason_code=code)], CLASSES).splitlines()[-1]
    assert line.split("  ")[1].strip() == told


def test_a_column_of_reasons_is_left_out_if_there_is_none():
    assert "reason" not in _text(PREDICTIONS[:1], CLASSES)


def test_control_characters_and_markup_of_names_are_shown_on_a_terminal(terminal):
    terminal(80)
    text = table(["name", "n"], [["[red]a\x1b[0m", "1"]])
    assert "[red]a\\x1b[0m" in text


@pytest.mark.parametrize("label", ["notumor", "no_tumor", "healthy"])
def test_a_class_without_lesion_is_called_no_tumour(label):
    assert class_name(label) == "no tumour"
    assert class_name("glioma") == "glioma"


@pytest.mark.parametrize("columns", [30, 50, 70])
def test_a_narrow_terminal_breaks_words_and_loses_nothing(columns, terminal):
    terminal(columns)
    text = table(["slice", "p", "reason"], [["a/long/path/to/a/slice.png", "0.123", REASON]], wrap=(0, -1))
    assert max(map(len, text.splitlines())) <= columns
    shown, expected = (
        "".join(sorted("".join(one.split())))
        for one in (text, f"slice p reason a/long/path/to/a/slice.png 0.123 {REASON}")
    )
    assert shown.replace("-", "") == expected.replace("-", "")


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_columns_without_room_follow_below_with_the_first_one_again(columns, terminal):
    terminal(columns)
    head = ["subset", "n", "glioma", "meningioma", "no tumour", "accuracy", "balanced accuracy", "macro F1"]
    cells = ["new patient", "1011", "300", "306", "405", *["98.8 (96.9-100.0)"] * 3]
    lines = table(head, [cells]).splitlines()
    assert max(map(len, lines)) <= columns
    below = [number for number, line in enumerate(lines) if line.startswith("subset")]
    assert len(below) > 1
    shown = [word for line in lines if "---" not in line for word in line.split()]
    assert sorted(shown) == sorted(" ".join([*head[1:], *cells[1:], *["subset new patient"] * len(below)]).split())
