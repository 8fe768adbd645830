"""Tests of messages: they wrap at the terminal's width between words, and stand above a progress bar."""

from __future__ import annotations

import logging
import sys

import pytest

from gadolin.cli.output import log_messages, print_message, progress_bar, wrapped

WORDS = "gadolin: 8 validation slices are too few to set thresholds, so this model will classify any greyscale picture"
LOG = logging.getLogger("gadolin.training.fit")


@pytest.fixture
def terminal(monkeypatch):
    """Let standard error be a terminal of some width."""

    def resize(columns):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    return resize


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_message_breaks_between_words_on_a_terminal(columns, terminal, capsys):
    terminal(columns)
    print_message(WORDS)
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= columns
    assert [word for line in lines for word in line.split()] == WORDS.split()


def test_elsewhere_a_message_is_one_line(capsys):
    print_message(WORDS)
    assert capsys.readouterr().err == f"{WORDS}\n"


def test_a_path_stays_whole_and_further_lines_are_indented(terminal):
    terminal(30)
    path = "a/very-long/path/to/a/report-of-an-evaluation.html"
    assert wrapped(f"  report: {path}", sys.stderr).splitlines() == ["  report:", f"    {path}"]


def test_a_command_stays_on_one_line_so_that_it_can_be_copied(terminal, capsys):
    terminal(30)
    print_message("next: gadolin predict SLICE --model 'my runs/first'", wrap=False)
    assert capsys.readouterr().err == "next: gadolin predict SLICE --model 'my runs/first'\n"


def test_messages_stand_above_a_progress_bar(terminal, capsys):
    terminal(60)
    with log_messages(), progress_bar("training") as advance:
        advance(1, 3, "epoch 1/3")
        LOG.info("epoch 1/3: loss 1.000")
        LOG.warning("bad\x1b[31m name")
        advance(2, 3, "epoch 2/3")
    shown = capsys.readouterr().err
    for line in ("epoch 1/3: loss 1.000\n", "gadolin: bad\\x1b[31m name\n"):
        before = shown[: shown.index(line)]
        assert before.endswith(("\r", "\n", "\x1b[2K")), "it starts on a line of its own"


def test_what_is_logged_is_printed_only_while_the_block_runs(capsys):
    with log_messages():
        LOG.info("epoch 1/3")
    with log_messages(shown=False):
        LOG.warning("of another process")
    LOG.info("epoch 2/3")
    assert capsys.readouterr().err == "epoch 1/3\n"
