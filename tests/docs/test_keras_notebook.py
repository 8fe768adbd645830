"""Every line of docs/keras-notebook.md runs, on phantoms and with a tiny network without ImageNet weights."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from PIL import Image

import gadolin as gd
from gadolin.cli import main
from gadolin.explanations import Options
from gadolin.phantoms import draw_patient
from gadolin.recipe import load_recipe, with_settings

pytestmark = pytest.mark.train

PAGE = (Path(__file__).parents[2] / "docs" / "keras-notebook.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
TINY = ["network.backbone=compact", "network.freeze=0", "network.freeze_blocks=0", "network.input_size=32"]
TINY += ["network.hidden=8", "epochs=2", "batch_size=8"]
FEW = {"samples": 60, "pieces": 12, "grids": 1}


def tiny(words):
    """Return a command with the tiny network, and few samples of LIME and SHAP."""
    words = ["none" if word == "imagenet" else word for word in words]
    if words[0] == "train":
        words += [part for one in TINY for part in ("--set", one)]
    if words[0] == "explain":
        words += [part for name, value in FEW.items() for part in (f"--{name}", str(value))]
    return words


@pytest.fixture
def tiny_functions(monkeypatch):
    """Let gd.train use the tiny network, and gd.explain few samples."""
    train, explain = gd.train, gd.explain

    def train_tiny(data, *, recipe, weights, out):
        assert weights == "imagenet"
        return train(data, recipe=with_settings(load_recipe(recipe), TINY), out=out)

    monkeypatch.setattr(gd, "train", train_tiny)
    monkeypatch.setattr(gd, "explain", lambda *given, method: explain(*given, method=method, options=Options(**FEW)))


def test_every_line_runs(small_phantoms, tiny_functions, tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.chdir(tmp_path)
    Path("brain-mri").symlink_to(small_phantoms, target_is_directory=True)
    Image.fromarray(draw_patient("glioma", 9, slices=1)[0].pixels).save("slice.png")
    names = {}
    for language, block in BLOCKS:
        if language == "python":
            exec(compile(block, "keras-notebook.md", "exec"), names)
            continue
        for line in block.splitlines():
            monkeypatch.setattr(sys, "argv", ["gadolin", *tiny(shlex.split(line)[1:])])
            with pytest.raises(SystemExit) as ending:
                main()
            assert not ending.value.code, line
    shown = capsys.readouterr()
    assert "epoch 1/2: loss " in shown.err
    assert Path("run-of-split/evaluation-split/report.html").is_file()
    assert names["scaled"].shape == (256, 256)
    assert 0 <= names["scaled"].min() <= names["scaled"].max() <= 1
    assert repr(names["run"].confusion) in shown.out
    for written in ("run/evaluation/figures/training.png", "run/evaluation/figures/confusion.png", "run/history.csv"):
        assert written in PAGE
        assert Path(written).is_file()
    assert Path("why.png").read_bytes().startswith(b"\x89PNG")


def test_every_key_that_stands_for_a_cell_is_one_of_the_recipe():
    table = re.search(r"^\| cell of the notebook.*?\n\n", PAGE, re.MULTILINE | re.DOTALL).group(0).strip()
    keys = [key for row in table.splitlines()[2:] for key in re.findall(r"`([a-z_.]+)`", row.split("|")[2])]
    content = load_recipe("resnet50").as_json()
    assert len(keys) >= 16
    for key in keys:
        group, _, name = key.rpartition(".")
        assert name in (content[group] if group else content), key
