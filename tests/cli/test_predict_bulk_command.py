"""Tests of ``gadolin predict --out`` and ``gadolin evaluate --labels``."""

from __future__ import annotations

import csv
import json
import re

import pytest
from typer.testing import CliRunner

from gadolin.cli.app import app
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.records import NOTICE

pytest.importorskip("pyarrow")
pytest.importorskip("duckdb")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    path = tmp_path_factory.mktemp("bulk") / "phantoms"
    write_phantoms(path, PhantomPlan(patients=2, slices=2, size=96))
    return path


@pytest.fixture(scope="module")
def answers(phantoms, tmp_path_factory):
    out = tmp_path_factory.mktemp("answers") / "answers"
    done = CliRunner().invoke(app, ["predict", "--manifest", str(phantoms / "manifest.csv"), "--out", str(out)])
    assert done.exit_code == 0, done.output
    return out, done


@pytest.fixture
def labels(phantoms, tmp_path):
    with (phantoms / "manifest.csv").open() as file:
        rows = list(csv.DictReader(file))
    path = tmp_path / "labels.csv"
    lines = [f"{row['digest']},{row['label']},{row['patient']}" for row in rows]
    path.write_text("\n".join(["digest,label,patient", *lines]) + "\n")
    return path


def test_predict_prints_what_it_wrote_and_resume_adds_nothing(phantoms, answers):
    out, first = answers
    assert "16 files, 16 slices: " in first.stdout
    assert NOTICE in first.output
    before = (out / "part-000000.parquet").read_bytes()
    command = ["predict", "--manifest", str(phantoms / "manifest.csv"), "--out", str(out), "--resume", "--json"]
    again = json.loads(CliRunner().invoke(app, command).stdout)
    assert {name: again[name] for name in ("files", "predicted", "failed", "left_out")} == {
        "files": 16, "predicted": 16, "failed": 0, "left_out": 0,
    }  # fmt: skip
    assert (out / "part-000000.parquet").read_bytes() == before


def test_a_file_that_fails_gives_exit_code_1_and_a_row(tmp_path):
    (tmp_path / "bad.png").write_bytes(b"no image")
    done = CliRunner().invoke(app, ["predict", str(tmp_path / "bad.png"), "--out", str(tmp_path / "answers")])
    assert done.exit_code == 1
    assert "1 files failed" in done.output
    assert (tmp_path / "answers" / "part-000000.parquet").is_file()


def test_evaluate_prints_and_writes_the_metrics(answers, labels, tmp_path):
    out = tmp_path / "metrics.json"
    done = CliRunner().invoke(app, ["evaluate", str(answers[0]), "--labels", str(labels), "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert "16 slices of 8 patients." in done.stdout
    assert "0 predictions without a label" in done.stdout
    found = json.loads(out.read_text())
    assert re.search(rf"^Accuracy +{100 * found['accuracy']['value']:.1f} % \(", done.stdout, re.MULTILINE)
    assert re.search(rf"^Brier score +{found['brier']['value']:.3f} \(", done.stdout, re.MULTILINE)
    assert sum(map(sum, found["confusion_matrix"])) == found["n"] == 16
    assert found["not_scored"] == {"without_label": 0, "without_answer": 0, "failed": 0}
    again = CliRunner().invoke(app, ["evaluate", str(answers[0]), "--labels", str(labels), "--json"])
    assert json.loads(again.stdout) == found


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--out", "o", "--csv"], "options_exclude_each_other"),
        (["--out", "o", "--series", "3"], "options_exclude_each_other"),
        (["--json", "--csv"], "options_exclude_each_other"),
        (["--manifest", "m.csv"], "option_needs_out"),
        (["--resume"], "option_needs_out"),
        (["--max-failures", "0"], "option_needs_out"),
    ],
)
def test_options_without_effect_are_refused(options, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["predict", "a.png", *options], standalone_mode=False)
    assert done.exception.code == code
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("command", [["predict"], ["evaluate", "shipped"], ["evaluate", "a", "b", "--labels", "c"]])
def test_neither_and_both_are_refused(command):
    done = CliRunner().invoke(app, command, standalone_mode=False)
    assert getattr(done.exception, "code", None) == "usage" or done.exit_code == 2
