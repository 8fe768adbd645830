"""Tests of the demo, without training: it replaces only its own folder; larger data gets fewer epochs."""

from __future__ import annotations

import importlib.util
import json
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from gadolin.recipe import named_recipe, with_settings

ROOT = Path(__file__).parents[2]


@pytest.fixture
def demo():
    spec = importlib.util.spec_from_file_location("demo", ROOT / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def typed(demo, monkeypatch):
    """Record the commands instead of running them; the scan returns fixed counts."""
    commands = []

    def run(*arguments, quiet=False):
        commands.append([str(argument) for argument in arguments])
        return json.dumps({"parts": {"train": {"glioma": 300, "notumor": 180}}, "slices": 640}) if quiet else ""

    monkeypatch.setattr(demo, "gadolin", run)
    return commands


def start(demo, monkeypatch, *arguments):
    monkeypatch.setattr(sys, "argv", ["demo.py", *map(str, arguments)])
    demo.main()


def test_a_new_folder_is_made_and_marked(demo, tmp_path):
    demo.claim(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [demo.MARKER]


def test_an_earlier_demo_is_replaced(demo, tmp_path):
    demo.claim(tmp_path / "demo")
    (tmp_path / "demo" / "run").mkdir()
    demo.claim(tmp_path / "demo")
    assert [path.name for path in (tmp_path / "demo").iterdir()] == [demo.MARKER]


def test_a_folder_that_is_not_its_own_is_left_alone(demo, tmp_path, capsys):
    kept = tmp_path / "thesis.txt"
    kept.write_text("years of work")
    with pytest.raises(SystemExit) as left:
        demo.claim(tmp_path)
    assert left.value.code == 2
    assert kept.read_text() == "years of work"
    assert "--out" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_left_alone(demo, tmp_path):
    (tmp_path / "demo").write_text("mine")
    with pytest.raises(SystemExit):
        demo.claim(tmp_path / "demo")
    assert (tmp_path / "demo").read_text() == "mine"


def test_a_link_is_not_followed(demo, tmp_path):
    demo.claim(tmp_path / "real")
    try:
        (tmp_path / "demo").symlink_to(tmp_path / "real", target_is_directory=True)
    except OSError:
        pytest.skip("this system refuses links")
    with pytest.raises(SystemExit):
        demo.claim(tmp_path / "demo")
    assert (tmp_path / "real" / demo.MARKER).is_file()


def test_data_inside_an_earlier_demo_is_not_deleted(demo, tmp_path, capsys):
    demo.claim(tmp_path / "demo")
    data = tmp_path / "demo" / "phantoms"
    data.mkdir()
    with pytest.raises(SystemExit) as left:
        demo.claim(tmp_path / "demo", data)
    assert left.value.code == 2
    assert data.is_dir()
    assert "holds the data" in capsys.readouterr().err


@pytest.mark.parametrize("slices", [1, 10, 480, 2_000, 5_712, 24_999, 25_000, 1_000_000])
def test_larger_data_is_gone_through_less_often_but_once_at_least(demo, slices):
    epochs = demo.fitting_epochs(slices)
    assert 1 <= epochs <= demo.MOST_EPOCHS
    assert epochs == 1 or epochs * slices <= demo.TRAINING_SLICES


def test_without_data_the_demo_evaluates_on_phantoms_that_it_did_not_train_on(
    demo, typed, tmp_path, monkeypatch, capsys
):
    out = tmp_path / "demo"
    start(demo, monkeypatch, "--out", out)
    names = [command[0] for command in typed]
    assert names[:5] == ["phantom", "audit", "phantom", "scan", "scan"]
    assert names[5:] == ["train", "phantom", "evaluate", "predict", "explain", "score-explanations", "info"]
    faulty, first, second = (command for command in typed if command[0] == "phantom")
    assert "--fault=mirrors" in faulty
    assert typed[1][1] == faulty[1]
    assert "--seed" not in first
    assert second[-2:] == ["--seed", "1"]
    assert typed[7][1:3] == [str(out / "run"), second[1]]
    assert typed[10][1:3] == [str(out / "run"), str(Path(second[1]) / "manifest.csv")]
    assert str(out.resolve() / "run" / "evaluation-fresh" / "report.html") in capsys.readouterr().out


def test_with_data_the_test_part_is_read_by_the_training_alone(demo, typed, tmp_path, monkeypatch):
    out, data = tmp_path / "demo", tmp_path / "mri"
    data.mkdir()

    def train(*arguments, epochs):
        (out / "run").mkdir()
        rows = ["path,label,split", *(f"../../mri/{n}.png,glioma,{'test' if n % 2 else 'train'}" for n in range(40))]
        (out / "run" / "manifest.csv").write_text("\n".join(rows))

    monkeypatch.setattr(demo, "train", train)
    start(demo, monkeypatch, "--out", out, "--data", data)
    assert [command[0] for command in typed] == ["audit", "predict", "info"]
    shown = [word for word in typed[1] if word.endswith(".png")]
    assert len(shown) == demo.SHOWN
    assert all(int(Path(word).stem) % 2 for word in shown)


def test_the_epochs_follow_from_the_training_part_unless_they_are_given(demo, typed, tmp_path):
    demo.train(tmp_path, tmp_path / "run", epochs=None)
    demo.train(tmp_path, tmp_path / "run", epochs=3)
    derived, given = ([word for word in command if word.startswith("epochs=")] for command in typed[2::3])
    assert derived == [f"epochs={demo.fitting_epochs(480)}"]
    assert given == ["epochs=3"]


def test_the_settings_of_the_demo_are_those_of_a_recipe(demo, typed, tmp_path):
    demo.train(tmp_path, tmp_path / "run", epochs=2)
    words = typed[-1]
    settings = [after for word, after in pairwise(words) if word == "--set"]
    assert with_settings(named_recipe("default"), settings).network.input_size == demo.INPUT_SIZE


@pytest.mark.slow
def test_a_command_that_fails_ends_the_demo_with_its_exit_code(demo, tmp_path):
    with pytest.raises(SystemExit) as left:
        demo.gadolin("scan", tmp_path / "nothing")
    assert left.value.code == 2
