"""Tests of ``gadolin split`` and ``gadolin crossval``."""

from __future__ import annotations

import json

import numpy as np
import pytest

from gadolin.datasets.manifest import read_manifest
from gadolin.metrics import Table, measure
from gadolin.phantoms import PhantomPlan, write_phantoms
from gadolin.reports.context import ReportContext
from gadolin.reports.evaluation import Evaluation

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def singles(tmp_path_factory):
    """Write one slice of each of four patients per class; some of Testing are copied into Training."""
    folder = tmp_path_factory.mktemp("singles")
    write_phantoms(folder, PhantomPlan(patients=4, slices=1, size=96, seed=2))
    return folder


def test_split_writes_a_manifest_and_says_what_is_in_it(gadolin, singles, tmp_path):
    ending = gadolin("split", singles, "--out", tmp_path / "m.csv", "--folds", 2, "--cache", tmp_path)
    assert ending.code == 0, ending
    assert ending.out.splitlines()[0].split() == ["part", "glioma", "meningioma", "no", "tumour", "pituitary", "total"]
    assert "patients: 16" in ending.out
    assert {one.fold for one in read_manifest(tmp_path / "m.csv")} == {0, 1}
    assert ending.err.splitlines()[-1] == f"next: gadolin crossval {tmp_path / 'm.csv'} --out crossval"


def test_split_names_the_next_command_and_quotes_the_manifest_for_the_shell(gadolin, singles, tmp_path):
    ending = gadolin("split", singles, "--out", tmp_path / "my split.csv", "--by", "copies", "--cache", tmp_path)
    assert ending.err.splitlines()[-1] == f"next: gadolin train '{tmp_path / 'my split.csv'}' --out run"


def test_split_cuts_off_a_fifth_where_nothing_is_asked_and_answers_in_json(gadolin, singles, tmp_path):
    told = gadolin("split", singles, "--out", tmp_path / "m.csv", "--cache", tmp_path, "--json").json
    assert told["by"] == "patient"
    assert set(told["parts"]) == {"test", "train"}
    assert told["slices"] == len(read_manifest(tmp_path / "m.csv")) == 16


def test_split_refuses_patients_that_it_does_not_know_and_writes_nothing(gadolin, singles, tmp_path):
    ending = gadolin("split", singles / "Training", "--out", tmp_path / "m.csv", "--cache", tmp_path / "cache")
    ending.refused("needs the patient of every slice", "--by copies")
    assert not (tmp_path / "m.csv").exists()


def test_split_tells_what_it_dropped(gadolin, singles, tmp_path):
    data = tmp_path / "data"
    for one in read_manifest(singles / "manifest.csv"):
        (data / one.label).mkdir(parents=True, exist_ok=True)
        (data / one.label / one.path.name).write_bytes(one.path.read_bytes())
    (data / "glioma" / "note.png").write_text("no picture")
    ending = gadolin("split", data, "--out", tmp_path / "m.csv", "--by", "copies", "--cache", tmp_path / "cache")
    assert "dropped: 1" in ending.out
    assert "note.png: " in ending.out
    assert "patients: unknown" in ending.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--folds", 5, "--test", 0.2), "either folds or a test share"),
        (("--folds", 0), "folds must be two or more, got 0"),
        (("--by", "patients"), "did you mean 'patient'"),
        (("--test", 2), "must lie between 0 and 1, got 2.0"),
    ],
)
def test_split_refuses_a_wish_that_cannot_be_met(words, told, gadolin, singles, tmp_path):
    gadolin("split", singles, "--out", tmp_path / "m.csv", *words).refused(told)


def test_split_leaves_a_file_that_is_there_alone(gadolin, singles, tmp_path):
    (tmp_path / "m.csv").write_text("mine")
    gadolin("split", singles, "--out", tmp_path / "m.csv").refused("must go to a new file")
    assert (tmp_path / "m.csv").read_text() == "mine"


def test_split_finds_out_that_it_cannot_write_before_it_works(gadolin, singles, monkeypatch, tmp_path):
    monkeypatch.setattr("gadolin.splits.partition.partition", lambda *_, **__: pytest.fail("worked in vain"))
    (tmp_path / "file").write_text("no folder")
    gadolin("split", singles, "--out", tmp_path / "file" / "m.csv").refused("cannot write", "m.csv", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_crossval_hands_every_option_on_and_sums_up(gadolin, singles, monkeypatch, tmp_path):
    asked = {}
    even = np.full((16, 2), 0.5)
    names = tuple(map(str, range(16)))
    table = Table(("a", "b"), even, np.arange(16) % 2, paths=names, groups=names, parts=("",) * 16, digests=("",) * 16)

    def cross_validate(plan, folds, *, only, progress):
        asked.update(plan=plan, folds=folds)
        if only:
            assert only == [1]
            return None
        return Evaluation(table, measure(table, resamples=0), ReportContext("folds", "abc", "2026-01-01"))

    monkeypatch.setattr("gadolin.training.crossval.cross_validate", cross_validate)
    words = ("--folds", "m.csv", "--out", tmp_path / "out", "--seed", 3, "--set", "epochs=2", "--resume")
    ending = gadolin("crossval", singles, *words, "--skip-unreadable")
    assert ending.code == 0, ending
    assert "50.0" in ending.out
    plan = asked["plan"]
    assert (str(asked["folds"]), plan.machine.seed, plan.recipe.epochs, plan.resume) == ("m.csv", 3, 2, True)
    assert plan.skip_unreadable
    ending = gadolin("crossval", singles, "--out", tmp_path / "other", "--only", 1, "--json")
    assert json.loads(ending.out) == {"out": str(tmp_path / "other"), "report": None, "metrics": None}
    assert "--resume" in ending.err


def test_crossval_without_folds_says_how_to_make_them(gadolin, singles, tmp_path):
    ending = gadolin("crossval", singles, "--out", tmp_path / "out")
    ending.refused("gadolin split --folds")
    assert not (tmp_path / "out").exists()
