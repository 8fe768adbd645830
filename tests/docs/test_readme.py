"""Tests of README.md, which is short, and of its session and the example of docs/prediction.md, which are output."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.search(r"<!-- session -->\n```console\n(.*?)\n```", README, re.DOTALL)[1].split("\n\n$ ")
SHOWN = {block.removeprefix("$ ").split()[1]: "$ " + block.removeprefix("$ ") for block in BLOCKS}


@pytest.fixture(scope="module")
def session():
    """The generator of the session, docs/generators/session.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs"))
        from generators import session

        yield session
    for name in [name for name in sys.modules if name.partition(".")[0] == "generators"]:
        del sys.modules[name]


def masked(text):
    """Return text without numbers and padding, which differ a little between processors."""
    return re.sub(r"[ -]+", " ", re.sub(r"\d+(\.\d+)?(e-\d+)?", "#", text))


def test_the_readme_is_short_and_shows_one_picture():
    assert len(README.splitlines()) < 120
    assert len(re.findall(r"^!\[", README, re.MULTILINE)) == 1


def test_the_session_has_the_commands_of_the_generator_in_order(session):
    assert [block.splitlines()[0].removeprefix("$ ") for block in BLOCKS] == [
        f"gadolin {one}" for one in session.SESSION
    ]
    assert set(SHOWN) == {"phantom", "predict", "audit", "train"}


@pytest.mark.slow
def test_predict_and_audit_print_what_the_session_shows(session, tmp_path):
    phantom, predict, audit = session.SESSION[:3]
    session.printed(phantom, tmp_path)
    assert masked(session.shortened(session.printed(predict, tmp_path))) == masked(SHOWN["predict"])
    assert session.shortened(session.printed(audit, tmp_path)) == SHOWN["audit"]


@pytest.mark.slow
def test_predict_writes_the_document_that_the_page_of_predictions_shows(session, tmp_path):
    page = (ROOT / "docs" / "prediction.md").read_text(encoding="utf-8")
    shown = re.search(r"<!-- example -->\n```json\n(.*?)\n```\n<!-- /example -->", page, re.DOTALL)[1]
    written = session.document(tmp_path)
    assert masked(written) == masked(shown)
    assert json.loads(written)["model"] == json.loads(shown)["model"]


@pytest.mark.train
def test_train_prints_the_lines_that_the_session_shows(session, tmp_path):
    session.printed("phantom demo/phantoms --patients 12", tmp_path)
    command = session.SESSION[-1].replace("epochs=30", "epochs=2")
    assert command != session.SESSION[-1]
    there = {masked(line) for line in session.printed(command, tmp_path).splitlines()}
    shown = [masked(line) for line in SHOWN["train"].splitlines()[1:] if line != session.LEFT_OUT]
    assert len(shown) >= 6
    assert [line for line in shown if line not in there] == []


def test_lines_between_two_marks_of_the_output_are_left_out(session):
    text = "$ gadolin train a\nepoch  1/30: a\nepoch  2/30: b\nepoch  3/30: b\nepoch 30/30: c\nnext: d"
    assert session.shortened(text).splitlines()[1:] == ["epoch  1/30: a", "...", "epoch 30/30: c", "next: d"]
    assert session.shortened("$ gadolin scan a\nnext: d") == "$ gadolin scan a\nnext: d"
